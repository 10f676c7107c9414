locals {}
### x.hcl.json
{"locals": {"a": "${var.regoin}"}, "variable": {"region": {}}}
