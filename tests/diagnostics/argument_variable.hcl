variable "a" {
  typ     = string
  default = 1
}
