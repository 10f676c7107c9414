resource "kafka_cluster" "events" {
  engine = "local"

  storage {
    size = "200Gi"
  }
}
