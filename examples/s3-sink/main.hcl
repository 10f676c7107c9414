# A topic whose records Kafka Connect writes to an S3 bucket. Kafka Connect itself reads the credentials from the secret's file:
# they are never in a plan, in the state or in Connect's REST interface.
#
# The connector plugin is Confluent's (io.confluent.connect.s3.S3SinkConnector), under Confluent's own licence: unpack it into a
# folder and set s3_plugin to that folder.

streamform {
  required_version = ">= 0.1"
}

variable "aws_access_key_id" {
  type        = string
  sensitive   = true
  description = "The key id of an AWS user that may write to the bucket."
}

variable "aws_secret_access_key" {
  type        = string
  sensitive   = true
  description = "Its secret key."
}

variable "bucket" {
  type        = string
  default     = "example-bucket"
  description = "The bucket."
}

variable "region" {
  type        = string
  default     = "eu-central-1"
  description = "The bucket's region."
}

variable "s3_plugin" {
  type        = string
  default     = "plugins/confluentinc-kafka-connect-s3"
  description = "The folder of the connector's jars."
}

resource "kafka_cluster" "events" {
  engine  = "local"
  brokers = 1

  listener "clients" {
    tls            = true
    authentication = "mtls"
  }
}

resource "kafka_topic" "orders" {
  cluster            = kafka_cluster.events
  name               = "example-topic"
  partitions         = 12
  replication_factor = 1

  config = { "retention.ms" = 7 * 24 * 3600 * 1000 }
}

resource "secret" "aws" {
  name = "aws-s3-creds"
  data = {
    "aws-s3-creds.properties" = <<-EOT
      aws_access_key_id=${var.aws_access_key_id}
      aws_secret_access_key=${var.aws_secret_access_key}
    EOT
  }
}

resource "kafka_connect" "etl" {
  cluster      = kafka_cluster.events
  min_replicas = 1
  max_replicas = 5
  plugins      = [var.s3_plugin]

  mount "secrets" {
    secret = secret.aws
    path   = "/etc/secrets"
  }
}

resource "kafka_acl" "s3_sink" {
  cluster   = kafka_cluster.events
  principal = kafka_connect.etl.principal

  role "consumer" { topic = kafka_topic.orders.name }
  role "consumer" {
    group   = "connect-"
    pattern = "prefixed"
  }
}

locals {
  credentials = "/etc/secrets/aws-s3-creds.properties"
}

resource "kafka_connector" "s3_sink" {
  connect   = kafka_connect.etl
  class     = "io.confluent.connect.s3.S3SinkConnector"
  tasks_max = 6

  config = {
    "topics"                = kafka_topic.orders.name
    "s3.region"             = var.region
    "s3.bucket.name"        = var.bucket
    "s3.part.size"          = 5242880
    "flush.size"            = 10000
    "storage.class"         = "io.confluent.connect.s3.storage.S3Storage"
    "format.class"          = "io.confluent.connect.s3.format.json.JsonFormat"
    "partitioner.class"     = "io.confluent.connect.storage.partitioner.DefaultPartitioner"
    "schema.compatibility"  = "NONE"
    "aws.access.key.id"     = "$${file:${local.credentials}:aws_access_key_id}"
    "aws.secret.access.key" = "$${file:${local.credentials}:aws_secret_access_key}"
  }

  depends_on = [kafka_acl.s3_sink]
}
