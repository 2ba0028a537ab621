"""The cluster on Kubernetes, as a whole: real pods on a real node (README in tests/services/kubernetes)."""
