# A topic and a reader on a cluster that something else runs, reached with TLS and a password.
#
#   SF_VAR_password=… streamform plan

streamform {
  required_version = ">= 0.1"
}

variable "bootstrap_servers" {
  type        = string
  default     = "kafka.example:9094"
  description = "Where the cluster answers; several addresses are separated by commas."
}

variable "username" {
  type        = string
  default     = "admin"
  description = "A user that may manage topics and ACLs."
}

variable "password" {
  type        = string
  sensitive   = true
  description = "Its password. It is kept nowhere."
}

data "kafka_cluster" "main" {
  bootstrap_servers = var.bootstrap_servers

  tls {}

  sasl {
    mechanism = "SCRAM-SHA-512"
    username  = var.username
    password  = var.password
  }
}

resource "kafka_topic" "audit" {
  cluster    = data.kafka_cluster.main
  name       = "audit"
  partitions = 6

  config = {
    "cleanup.policy" = "delete"
    "retention.ms"   = 90 * 24 * 3600 * 1000
  }
}

resource "kafka_acl" "auditor" {
  cluster   = data.kafka_cluster.main
  principal = "User:auditor"

  role "consumer" {
    topic = kafka_topic.audit.name
    group = "auditor"
  }
}

# A topic that is there already is taken over with an import block, or with
#   streamform import kafka_topic.audit audit

output "cluster_id" {
  value       = data.kafka_cluster.main.cluster_id
  description = "The cluster's own id."
}
