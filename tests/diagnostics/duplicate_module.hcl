module "m" {
  source = "./m"
}
module "m" {
  source = "./m"
}
### m/main.hcl
locals {}
