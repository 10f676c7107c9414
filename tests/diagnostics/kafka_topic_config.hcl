resource "kafka_cluster" "c" {
  engine = "local"
}
resource "kafka_topic" "a" {
  cluster = kafka_cluster.c
  name    = "a"
  config = {
    "retention.m" = 1
  }
}
