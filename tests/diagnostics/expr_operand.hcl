variable "n" {
  default = "x"
}
locals {
  a = var.n + 1
}
