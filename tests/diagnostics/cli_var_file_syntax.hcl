# $ plan -var-file=x.tfvars
variable "a" {
  default = 1
}
### x.tfvars
variable "a" {}
a = var.b
b = 1
