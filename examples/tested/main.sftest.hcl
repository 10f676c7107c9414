# These runs work on a real cluster that lives as long as they do.

run "create" {
  assert {
    condition     = length(kafka_cluster.events.cluster_id) == 22 && length(kafka_cluster.events.running) == 1
    error_message = "The cluster does not run: its id is ${kafka_cluster.events.cluster_id}."
  }

  assert {
    condition     = kafka_topic.orders.config["retention.ms"] == "604800000"
    error_message = "Seven days are not ${kafka_topic.orders.config["retention.ms"]} ms."
  }
}

run "more_partitions" {
  variables {
    partitions = 6
  }

  assert {
    condition     = kafka_topic.orders.partitions == 6
    error_message = "The topic has ${kafka_topic.orders.partitions} partitions."
  }

  assert {
    condition     = output.topic_id == run.create.topic_id
    error_message = "The topic was made anew."
  }
}
