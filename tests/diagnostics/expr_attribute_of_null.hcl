locals {
  s = null
  a = local.s.x
}
