locals {
  a = vra.x
}
