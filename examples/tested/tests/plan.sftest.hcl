# These runs need no cluster: what Kafka would compute is made up.

mock_provider "kafka" {
  mock_resource "kafka_cluster" {
    defaults = {
      bootstrap_servers = "localhost:9092"
    }
  }
}

run "retention" {
  variables {
    retention_days = 2
  }

  assert {
    condition     = kafka_topic.orders.config["retention.ms"] == "172800000"
    error_message = "Two days are not ${kafka_topic.orders.config["retention.ms"]} ms."
  }

  assert {
    condition     = output.bootstrap_servers == "localhost:9092"
    error_message = "The output does not come from the cluster."
  }
}

run "too_many_partitions" {
  command = plan

  variables {
    partitions = 100
  }

  expect_failures = [var.partitions]
}
