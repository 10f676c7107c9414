resource "null_resource" "a" {
  count = 2
}
output "o" {
  value = null_resource.a.id
}
