module "net" {
  source = "./m"
}
output "o" {
  value = module.nett.a
}
### m/main.hcl
output "address" {
  value = 1
}
