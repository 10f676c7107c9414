streamform {
  required_version = ">= 99"
}
