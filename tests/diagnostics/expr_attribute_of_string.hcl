locals {
  s = "x"
  a = local.s.length
}
