data "kafka_cluster" "c" {
  bootstrap_server = ["x:1"]
}
