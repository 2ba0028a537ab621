"""One fixture file per rule: before and after, and PostgreSQL agrees that both answer the same."""
