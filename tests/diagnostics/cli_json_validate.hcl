# $ validate -json
variable "region" {}
locals {
  a = var.regoin
}
