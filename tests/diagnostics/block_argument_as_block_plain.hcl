resource "kafka_topic" "a" {
  name = "a"
  config {
    retention = 1
  }
}
