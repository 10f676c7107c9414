# $ plan -chdir=nowhere
locals {}
