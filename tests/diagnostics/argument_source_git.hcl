module "m" {
  source = "git::https://example.com/r.git"
}
