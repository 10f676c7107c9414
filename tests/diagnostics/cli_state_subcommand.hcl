# $ state lst
locals {}
