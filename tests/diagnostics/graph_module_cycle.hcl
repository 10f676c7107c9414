module "m" {
  source = "./m"
}
### m/main.hcl
module "n" {
  source = "../m"
}
