"""``python -m controller.local``: create, start, stop and delete clusters on this machine. What ``bdc create`` and its like start."""
