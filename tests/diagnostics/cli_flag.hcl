# $ plan -targt=x
locals {}
