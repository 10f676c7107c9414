# $ test -test-directory=specs
variable "region" {
  default = "eu"
}
variable "zone" {
  default = "eu-1"
}
### x.sftest.hcl
run "first" {
  variables {
    zone = "${var.region}-2"
  }
}
