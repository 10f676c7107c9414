# $ plan -out=nodir/p
resource "null_resource" "a" {}
