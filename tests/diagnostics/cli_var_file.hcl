# $ plan -var-file=nothing.tfvars
locals {}
