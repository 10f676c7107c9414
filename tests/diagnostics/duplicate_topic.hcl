resource "kafka_cluster" "c" {
  engine = "local"
}
resource "kafka_topic" "a" {
  cluster = kafka_cluster.c
  name    = "t"
}
resource "kafka_topic" "b" {
  cluster = kafka_cluster.c
  name    = "t"
}
