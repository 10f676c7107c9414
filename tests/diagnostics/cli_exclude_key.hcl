# $ plan -exclude=null_resource.orders["su"]
resource "null_resource" "orders" {
  for_each = { eu = 1, us = 2 }
}
