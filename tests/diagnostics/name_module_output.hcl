module "net" {
  source = "./m"
}
output "o" {
  value = module.net.adress
}
### m/main.hcl
output "address" {
  value = 1
}
