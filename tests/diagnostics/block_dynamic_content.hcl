resource "kafka_cluster" "a" {
  engine = "local"
  dynamic "listener" {
    for_each = ["x"]
  }
}
