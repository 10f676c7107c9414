module "net" {
  source = "./m"
  sise   = 2
}
### m/main.hcl
variable "size" {
  default = 1
}
