locals {
  a = each.key
}
