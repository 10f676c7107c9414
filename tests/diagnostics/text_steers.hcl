# $ plan
locals {
  strange = jsondecode("{\"a\\u009bb\": \"x\\u202ey\"}")
}
resource "null_resource" "a" {
  for_each = toset(["k\u0085"])
  inputs   = local.strange
}
