locals {
  o = { name = 1, size = 2 }
  a = local.o.nam
}
