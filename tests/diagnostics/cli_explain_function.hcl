# $ explain uppr
locals {}
