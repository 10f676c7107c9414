resource "null_resource" "a" {
  id = "x"
}
