locals {
  a = file("nothing.txt")
}
