# $ test
locals {}
### a.sftest.hcl
run "first" {
  command = plan
}
run "a" {
  command = plan
  assert {
    condition     = run.frist.x == output.y
    error_message = "no"
  }
}
