locals {
  a = 1
}
### x_override.hcl
resource "null_resource" "a" {}
