locals {
  a = streamform::duration("7d")
}
