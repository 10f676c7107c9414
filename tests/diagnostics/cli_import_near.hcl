# $ import null_resource.ordes["eu"] x
resource "null_resource" "orders" {
  for_each = { eu = 1, us = 2 }
}
