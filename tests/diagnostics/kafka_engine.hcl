resource "kafka_cluster" "c" {
  engine = "locl"
}
