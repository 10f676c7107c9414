resource "null_resource" {
}
