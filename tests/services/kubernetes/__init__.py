"""A real Kubernetes for tests, from package registries alone; README.md says how to use it."""

from tests.services.kubernetes.cluster import ControlPlane, Node

__all__ = ["ControlPlane", "Node"]
