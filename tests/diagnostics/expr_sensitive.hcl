# $ plan
variable "s" {
  default   = "hunter2"
  sensitive = true
}
locals {
  a = var.s + 1
}
