# A whole streaming platform on this machine: two brokers with TLS and an authorizer, topics, a secret,
# Kafka Connect, and two connectors that carry the lines of data/in.txt through a topic to data/out.txt.
#
#   streamform apply      brings it up; a second time there is nothing to do
#   streamform destroy    leaves no process and no file behind

streamform {
  required_version = ">= 0.1"
  backend "local" { path = ".streamform/state" }
}

variable "brokers" {
  type        = number
  default     = 2
  description = "How many brokers the cluster has."

  validation {
    condition     = var.brokers >= 1 && var.brokers <= 5
    error_message = "On one machine, between 1 and 5 brokers make sense."
  }
}

locals {
  data = abspath("${path.root}/data")
}

resource "kafka_cluster" "events" {
  engine  = "local"
  brokers = var.brokers

  listener "clients" {
    tls            = true
    authentication = "mtls"
  }

  client_certificates = ["orders-app"]
  deletion_protection = false

  config = {
    "auto.create.topics.enable" = false
  }
}

resource "kafka_topic" "lines" {
  cluster             = kafka_cluster.events
  name                = "lines"
  partitions          = 3
  replication_factor  = min(var.brokers, 3)
  deletion_protection = false

  config = {
    "retention.ms"   = 7 * 24 * 3600 * 1000
    "cleanup.policy" = "delete"
  }
}

resource "kafka_topic" "orders" {
  for_each = { new = 6, paid = 6, shipped = 3 }

  cluster             = kafka_cluster.events
  name                = "orders.${each.key}"
  partitions          = each.value
  deletion_protection = false
}

resource "secret" "sink" {
  name = "sink"
  data = {
    "sink.properties" = "file=${local.data}/out.txt\n"
  }
}

resource "kafka_connect" "etl" {
  cluster      = kafka_cluster.events
  min_replicas = 1

  config = {
    "key.converter"   = "org.apache.kafka.connect.storage.StringConverter"
    "value.converter" = "org.apache.kafka.connect.storage.StringConverter"
  }

  mount "secrets" {
    secret = secret.sink
    path   = "/etc/secrets"
  }
}

resource "kafka_acl" "etl" {
  cluster   = kafka_cluster.events
  principal = kafka_connect.etl.principal

  role "source" { topic = kafka_topic.lines.name }
  role "sink" {
    topic     = kafka_topic.lines.name
    connector = "lines-to-file"
  }
}

resource "kafka_acl" "app" {
  cluster   = kafka_cluster.events
  principal = "User:CN=orders-app"

  role "producer" {
    topic   = "orders."
    pattern = "prefixed"
  }
  role "consumer" {
    group   = "orders-app"
    pattern = "prefixed"
  }
}

resource "kafka_connector" "source" {
  connect = kafka_connect.etl
  name    = "file-to-lines"
  class   = "org.apache.kafka.connect.file.FileStreamSourceConnector"

  config = {
    "file"  = "${local.data}/in.txt"
    "topic" = kafka_topic.lines.name
  }

  depends_on = [kafka_acl.etl]
}

resource "kafka_connector" "sink" {
  connect = kafka_connect.etl
  name    = "lines-to-file"
  class   = "org.apache.kafka.connect.file.FileStreamSinkConnector"

  config = {
    "topics" = kafka_topic.lines.name
    # Kafka Connect itself reads the secret, so it is never in a plan, in the state or in Connect's REST interface.
    "file" = "$${file:/etc/secrets/sink.properties:file}"
  }

  depends_on = [kafka_acl.etl]
}

output "bootstrap_servers" {
  value       = kafka_cluster.events.endpoints["clients"]
  description = "Where clients with a certificate connect to."
}

output "connect" {
  value = kafka_connect.etl.endpoint
}
