resource "null_resource" "a" {
  lifecycle {
    prevent_destory = true
  }
}
