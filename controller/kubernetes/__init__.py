"""The controller on Kubernetes: the custom resource, the store, leadership, ordered deletion; ``python -m controller.kubernetes``."""
