removed {
  from = null_resource.a[0]
}
