locals {
  a = 1
  b = locals.a
}
