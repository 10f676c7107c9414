module "net" {
  source = "./m"
}
### m/main.hcl
variable "size" {}
