resource "kafka_cluster" "a" {
  engine = "local"
}
locals {
  a = kafka_cluster.a.bootstrap_server
}
