"""A function of a Python file."""
