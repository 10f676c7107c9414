locals {
  o = { name = 1 }
  a = local.o["nmae"]
}
