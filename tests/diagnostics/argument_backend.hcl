# $ plan
streamform {
  backend "s3" {}
}
resource "null_resource" "a" {}
