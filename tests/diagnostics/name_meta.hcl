locals {
  sizes = tomap({ alpha = 1, beta = 2 })
}
resource "null_resource" "a" {
  depend_on = [null_resource.b]
  inputs    = local.sizes.bta
  lifecycel {}
}
resource "null_resource" "b" {
  inputs = core::uper("x")
}
provider "null" {
  alais = "x"
}
