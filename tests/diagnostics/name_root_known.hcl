variable "foo" {}
locals {
  a = foo
}
