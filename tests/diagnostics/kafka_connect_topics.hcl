resource "kafka_cluster" "events" {}

resource "kafka_connect" "etl" {
  cluster = kafka_cluster.events
  config  = { "group.id" = "old" }

  internal_topics {
    config = "connect-configs"
    offset = "connect-configs"
  }
}
