# $ plan -var n=x
variable "n" {
  type = number
}
