# $ plan -target=a[
resource "null_resource" "a" {}
