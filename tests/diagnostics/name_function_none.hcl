locals {
  a = zzzzzz()
}
