variable "l" {
  default = "abc"
}
locals {
  a = keys(var.l)
}
