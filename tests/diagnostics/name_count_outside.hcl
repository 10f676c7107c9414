resource "null_resource" "a" {
  inputs = count.index
}
