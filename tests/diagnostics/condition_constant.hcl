output "a" {
  value = 1
  precondition {
    condition     = 1 == 1
    error_message = "never"
  }
}
check "b" {
  assert {
    condition     = true
    error_message = "never"
  }
}
