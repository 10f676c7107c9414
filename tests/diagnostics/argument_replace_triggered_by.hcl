resource "null_resource" "a" {
  lifecycle {
    replace_triggered_by = [null_resource.bb]
  }
}
