"""The cluster's certificates: its own small authority, what it has issued to whom, and their renewal."""
