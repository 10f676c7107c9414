data "kafka_topic" "a" {}
