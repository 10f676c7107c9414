resource "null_resource" "a" {}
moved {
  from = kafka_topic.a
  to   = null_resource.a
}
