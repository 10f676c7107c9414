module "gone" {
  source = "./gone"
}
module "nowhere" {
  sourc = "./gone"
}
resource "null_resource" "a" {
  inputs = [module.gone.id, module.nowhere.id]
}
