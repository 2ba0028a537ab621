"""The gateway: one TLS address in front of the API, WebHDFS and apps (docs/architecture/gateway.md)."""
