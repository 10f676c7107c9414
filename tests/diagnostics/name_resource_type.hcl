resource "null_resource" "orders" {}
output "o" {
  value = nul_resource.orders.id
}
