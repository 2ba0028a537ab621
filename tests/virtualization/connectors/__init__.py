"""Tests of the connectors: one conformance suite that each joins, and what is peculiar to each."""
