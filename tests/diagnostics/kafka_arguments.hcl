data "kafka_connect" "scheme" {
  url = "localhost:8083"
}

data "kafka_connect" "port" {
  url = "http://localhost:99999"
}

data "kafka_cluster" "addresses" {
  bootstrap_servers = "a:b,ok:9092,c:99999"
}

resource "kafka_cluster" "events" {
  engine = "local"
  heap   = "2G"
  config = {
    "num.partitions\n" = "3"
  }
}

resource "kafka_connect" "etl" {
  cluster   = kafka_cluster.events
  heap_opts = "-Xmx"
  env = {
    "A B" = "x"
  }
}

resource "kafka_acl" "bob" {
  cluster   = kafka_cluster.events
  principal = "User:bob*"

  role "consumer" {
    topic = "orders"
    group = "orders"
  }
}
