# $ plan -var region
variable "region" {
  default = 1
}
