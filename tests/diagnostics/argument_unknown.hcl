resource "kafka_topic" "a" {
  name      = "a"
  partition = 3
}
