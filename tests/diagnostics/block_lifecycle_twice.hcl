resource "null_resource" "a" {
  lifecycle {}
  lifecycle {}
}
