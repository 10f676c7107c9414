locals {
  l = [{ a = 1 }]
  a = local.l.a
}
