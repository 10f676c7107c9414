# $ import null_resource.b x
resource "null_resource" "a" {}
