resource "kafka_topic" "a" {
  name = "a"
}
