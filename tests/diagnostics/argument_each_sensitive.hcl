# $ plan
variable "s" {
  default   = ["a"]
  sensitive = true
}
resource "null_resource" "b" {
  for_each = toset(var.s)
}
