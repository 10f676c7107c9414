resource "kafka_topik" "a" {}
