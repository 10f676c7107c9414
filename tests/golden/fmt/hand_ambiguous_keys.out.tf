a = { b.c = 1 }
x = {
  b[0]     = 1
  longer.d = 2
}
