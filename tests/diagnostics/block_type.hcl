resorce "null_resource" "a" {}
