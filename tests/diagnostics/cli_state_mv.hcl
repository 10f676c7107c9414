# $ state mv null_resource.b null_resource.c
resource "null_resource" "a" {}
