variable "a" {}
locals {
  b = var.aa
  c = upper(1, 2)
  d = 1 + "x"
}
resource "null_resource" "n" {
  input = 1
}
