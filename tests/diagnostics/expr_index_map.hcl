variable "m" {
  default = { eu = 1, us = 2 }
  type    = map(number)
}
locals {
  a = var.m["asia"]
}
