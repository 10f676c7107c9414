resource "kafka_cluster" "a" {
  engine = "local"
  dynamic "listner" {
    for_each = []
    content {}
  }
}
