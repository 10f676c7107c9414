resource "kafka_cluster" "a" {
  engine = "local"
  listner "x" {}
}
