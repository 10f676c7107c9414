# $ plan -target=null_resource.orders["ue"]
resource "null_resource" "orders" {
  for_each = { eu = 1, us = 2 }
}
