locals {
  a = path.modul
}
