# A cluster with the topics of one application, and tests for it in main.sftest.hcl and tests/:
#
#   streamform test       brings clusters up on this machine, checks them, and takes them down again

streamform {
  required_version = ">= 0.1"
}

variable "partitions" {
  type        = number
  default     = 3
  description = "How many partitions the topic of orders has."

  validation {
    condition     = var.partitions >= 1 && var.partitions <= 60
    error_message = "Between 1 and 60 partitions make sense, not ${var.partitions}."
  }
}

variable "retention_days" {
  type    = number
  default = 7
}

resource "kafka_cluster" "events" {
  engine              = "local"
  brokers             = 1
  deletion_protection = false
}

resource "kafka_topic" "orders" {
  cluster             = kafka_cluster.events
  name                = "orders"
  partitions          = var.partitions
  replication_factor  = 1
  deletion_protection = false

  config = {
    "retention.ms" = var.retention_days * 24 * 3600 * 1000
  }
}

output "bootstrap_servers" {
  value = kafka_cluster.events.bootstrap_servers
}

output "topic_id" {
  value = kafka_topic.orders.topic_id
}
