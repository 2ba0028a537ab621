"""A query with parameters."""
