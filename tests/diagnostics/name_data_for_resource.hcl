resource "kafka_cluster" "main" {
  engine = "local"
}
output "o" {
  value = data.kafka_cluster.main.admin
}
