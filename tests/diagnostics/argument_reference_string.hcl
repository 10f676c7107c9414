resource "kafka_topic" "a" {
  cluster = "localhost:9092"
  name    = "a"
}
