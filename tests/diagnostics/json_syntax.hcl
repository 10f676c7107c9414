locals {}
### x.hcl.json
{"locals": {"a": 1,}}
