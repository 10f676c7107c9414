output "o" {
  value = data.kafka_cluster.main.id
}
