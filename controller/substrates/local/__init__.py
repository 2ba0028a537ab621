"""One machine: processes under a supervisor, ports in blocks, OS users, a secret store."""
