variable "region" {}
locals {
  a = var.regoin
}
