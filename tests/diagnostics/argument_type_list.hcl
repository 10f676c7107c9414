resource "kafka_cluster" "a" {
  engine              = "local"
  client_certificates = "x"
}
