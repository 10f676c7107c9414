# c d
b {
  a = 1 // e f
  longer = [
    1, /* g */
    2 # h i
  ]
}
