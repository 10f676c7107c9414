# $ test
locals {}
### a.sftest.hcl
run "a" {
  comand = plan
}
