resource "null_resource" "a" {
  inputs = null_resource.a.id
}
