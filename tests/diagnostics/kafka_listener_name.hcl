resource "kafka_cluster" "events" {
  engine = "local"

  listener "first" {
    port = 19092
  }

  listener "two words" {
    tls = false
  }
}
