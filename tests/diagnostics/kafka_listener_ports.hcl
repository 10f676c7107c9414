resource "kafka_cluster" "events" {
  engine  = "local"
  brokers = 3

  listener "inside" {
    port = 19092
  }

  listener "outside" {
    port = 19094
  }
}
