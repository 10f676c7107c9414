# $ output x
output "y" {
  value = 1
}
