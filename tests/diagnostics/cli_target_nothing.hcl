# $ plan -target=module.x.kafka_topic.b
resource "null_resource" "a" {}
