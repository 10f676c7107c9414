# $ plna
locals {}
