locals {
  l = [1]
  a = "x ${local.l}"
}
