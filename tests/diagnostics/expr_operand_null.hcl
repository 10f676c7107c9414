locals {
  n = null
  a = local.n + 1
}
