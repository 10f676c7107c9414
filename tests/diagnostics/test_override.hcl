resource "null_resource" "a" {}
### a.sftest.hcl
override_resource {
  target = module.a
}
mock_provider "kafka" {
  mock_resource "kafka_topic" {
    default = {}
  }
}
run "a" {
  module {
    source = "./nowhere"
  }
}
