resource "kafka_connect" "a" {
  mount "x" {}
}
