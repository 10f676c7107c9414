# The topics of one team, named TEAM.TOPIC, and the rights of its applications on them: producers write, consumers read
# with groups that begin with the application's name.

variable "cluster" {
  type        = any
  description = "The cluster: a kafka_cluster, managed or data."
}

variable "team" {
  type        = string
  description = "The team's name: what its topics begin with."

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]*$", var.team))
    error_message = "A team's name is lower-case letters, digits and dashes."
  }
}

variable "topics" {
  type = map(object({
    partitions         = optional(number, 3)
    replication_factor = optional(number)
    retention_hours    = optional(number, 168)
    config             = optional(map(string), {})
  }))
  description = "The topics by their names without the team."
}

variable "producers" {
  type        = list(string)
  default     = []
  description = "Principals that write to all topics of the team."
}

variable "consumers" {
  type        = map(string)
  default     = {}
  description = "Principals that read all topics of the team, by the prefix of their consumer groups."
}

variable "deletion_protection" {
  type        = bool
  default     = true
  description = "Whether deleting a topic needs -allow-data-loss."
}

resource "kafka_topic" "team" {
  for_each = var.topics

  cluster             = var.cluster
  name                = "${var.team}.${each.key}"
  partitions          = each.value.partitions
  replication_factor  = each.value.replication_factor
  deletion_protection = var.deletion_protection

  config = merge(
    { "retention.ms" = each.value.retention_hours * 3600 * 1000 },
    each.value.config,
  )
}

resource "kafka_acl" "producer" {
  for_each = toset(var.producers)

  cluster   = var.cluster
  principal = each.value

  role "producer" {
    topic   = "${var.team}."
    pattern = "prefixed"
  }
}

resource "kafka_acl" "consumer" {
  for_each = var.consumers

  cluster   = var.cluster
  principal = each.value

  role "consumer" {
    topic   = "${var.team}."
    group   = each.key
    pattern = "prefixed"
  }
}

output "topics" {
  value       = { for key, topic in kafka_topic.team : key => topic.name }
  description = "The full name of each topic."
}
