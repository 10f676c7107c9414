resource "null_resource" "orders" {}
output "o" {
  value = null_resource.orders.idd
}
