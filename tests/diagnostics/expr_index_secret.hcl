# $ plan
variable "m" {
  default   = { eu = 1, us = 2 }
  sensitive = true
}
locals {
  a = var.m["asia"]
}
