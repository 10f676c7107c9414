resource "null_resource" "a" {
  for_each = { x = 1 }
}
output "o" {
  value = null_resource.a["y"].id
}
