# $ state restore notes.txt
resource "null_resource" "a" {}
### notes.txt
hello
