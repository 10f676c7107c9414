# $ plan -replace=null_resource.orders
resource "null_resource" "orders" {
  for_each = { eu = 1, us = 2 }
}
