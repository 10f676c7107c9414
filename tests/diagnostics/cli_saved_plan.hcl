# $ apply nothing.plan
resource "null_resource" "a" {}
