# Two teams' topics and rights on a cluster that is there already, with one module for both.
# The cluster needs an authorizer. streamform.tfvars says where it is and what the teams have.

streamform {
  required_version = ">= 0.1"
}

variable "bootstrap_servers" {
  type        = list(string)
  description = "Where the cluster answers, as host:port."
}

variable "teams" {
  type = map(object({
    topics = map(object({
      partitions      = optional(number, 3)
      retention_hours = optional(number, 168)
      config          = optional(map(string), {})
    }))
    producers = optional(list(string), [])
    consumers = optional(map(string), {})
  }))
  description = "What each team has."
}

data "kafka_cluster" "shared" {
  bootstrap_servers = var.bootstrap_servers
}

module "orders" {
  source = "../../modules/team-topics"

  cluster   = data.kafka_cluster.shared
  team      = "orders"
  topics    = var.teams["orders"].topics
  producers = var.teams["orders"].producers
  consumers = var.teams["orders"].consumers
}

module "payments" {
  source = "../../modules/team-topics"

  cluster   = data.kafka_cluster.shared
  team      = "payments"
  topics    = var.teams["payments"].topics
  producers = var.teams["payments"].producers
  consumers = var.teams["payments"].consumers
}

output "topics" {
  value       = concat(values(module.orders.topics), values(module.payments.topics))
  description = "All topics, by their full names."
}
