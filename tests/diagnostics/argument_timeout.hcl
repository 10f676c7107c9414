# $ plan
resource "null_resource" "a" {
  timeouts {
    create = "soon"
  }
}
