resource "kafka_topic" "a" {
  name = "a"
  config {
    "retention.ms" = 1
  }
}
