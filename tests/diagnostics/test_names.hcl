variable "region" {
  default = 1
}
output "address" {
  value = 1
}
check "fresh" {
  assert {
    condition     = var.region > 0
    error_message = "no"
  }
}
resource "null_resource" "a" {}
### tests/x.sftest.hcl
variables {
  own = 1
}
run "first" {
  assert {
    condition     = output.adress == var.own && null_resource.b.id == var.regoin
    error_message = "no"
  }
  expect_failures = [check.frehs, local.x, var.region]
}
run "second" {
  variables {
    region = run.frist.address
  }
}
