module "net" {
  source = "./m"
  count  = 2
}
output "o" {
  value = module.net.address
}
### m/main.hcl
output "address" {
  value = 1
}
