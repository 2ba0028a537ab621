"""Clusters on Kubernetes: created, deleted and found with the programs ``kubectl`` and ``helm``; the controller there does the rest."""
