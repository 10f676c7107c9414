# $ apply
resource "null_resource" "a" {}
