resource "null_resource" "a" {
  delay_ms = "soon"
}
