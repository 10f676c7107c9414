locals {
  s = "x"
  a = [for x in local.s : x]
}
