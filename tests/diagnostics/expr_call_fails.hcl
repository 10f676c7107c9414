locals {
  a = regex("[", "x")
}
