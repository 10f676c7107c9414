# $ plan
resource "null_resource" "a" {}
resource "null_resource" "b" {
  for_each = toset([null_resource.a.id])
}
