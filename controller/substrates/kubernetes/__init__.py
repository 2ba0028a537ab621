"""Kubernetes: the pools as objects of a namespace (docs/architecture/kubernetes.md)."""
