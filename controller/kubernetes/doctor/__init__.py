"""``bdc doctor`` on Kubernetes: what the controller can find out about what its cluster stands on."""
