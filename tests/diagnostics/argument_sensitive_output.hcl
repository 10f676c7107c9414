# $ plan
variable "s" {
  default   = "hunter2"
  sensitive = true
}
output "o" {
  value = "x-${var.s}"
}
