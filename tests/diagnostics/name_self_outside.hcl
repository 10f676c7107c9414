resource "null_resource" "a" {
  inputs = self.id
}
