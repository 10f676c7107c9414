# $ -chdir=empty validate
### empty/x.txt
nothing
