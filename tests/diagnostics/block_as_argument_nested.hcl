resource "kafka_cluster" "a" {
  engine = "local"
  listener = { x = {} }
}
