# $ plan -var regoin=x
variable "region" {
  default = 1
}
