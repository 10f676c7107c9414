locals {
  n = 0
  a = 1 / local.n
}
