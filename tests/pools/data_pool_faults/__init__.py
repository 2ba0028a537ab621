"""Faults of the data pool as its users meet them: each with one clear error, and a storm of kills that no load may notice."""
