resource "null_resource" "n" {}
resource "kafka_topic" "a" {
  cluster = null_resource.n
  name    = "a"
}
