"""People: the user file, password hashes, log-in limits, token keys and tokens."""
