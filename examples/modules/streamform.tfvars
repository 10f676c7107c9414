bootstrap_servers = ["localhost:9092"]

teams = {
  orders = {
    topics = {
      placed  = { partitions = 6 }
      shipped = { partitions = 6, retention_hours = 720 }
    }
    producers = ["User:CN=order-service"]
    consumers = { "order-report" = "User:CN=order-report" }
  }

  payments = {
    topics = {
      accounts = { partitions = 3, config = { "cleanup.policy" = "compact" } }
    }
    producers = ["User:CN=payment-service"]
    consumers = { "ledger" = "User:CN=ledger" }
  }
}
