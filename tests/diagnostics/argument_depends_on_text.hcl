resource "null_resource" "b" {
  depends_on = ["x y"]
}
