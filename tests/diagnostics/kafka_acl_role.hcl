resource "kafka_cluster" "c" {
  engine = "local"
}
resource "kafka_acl" "a" {
  cluster   = kafka_cluster.c
  principal = "User:a"
  role "consumr" {
    topic = "x"
  }
}
