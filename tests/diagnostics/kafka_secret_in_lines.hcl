data "kafka_connect" "etl" {
  url = "http://127.0.0.1:8083"
}

resource "kafka_connector" "w" {
  connect = data.kafka_connect.etl
  class   = "io.example.Sink"
  config = {
    "topics"                = ["a", "b"]
    "connection.password"   = "hunter22"
    "connection.uri"        = "mongodb://scott:tiger@db.example.com/x"
  }
}
