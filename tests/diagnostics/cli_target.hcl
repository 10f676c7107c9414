# $ plan -target=null_resource.b
resource "null_resource" "a" {}
