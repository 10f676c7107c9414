# $ plan
variable "region" {
  description = "Where."
}
variable "other" {}
