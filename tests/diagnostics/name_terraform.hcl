locals {
  a = terraform.workspce
}
