"""The gateway: one TLS address in front of the controller's API and of WebHDFS (docs/architecture/gateway.md)."""
