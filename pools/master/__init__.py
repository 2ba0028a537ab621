"""The master pool: a PostgreSQL server with the catalog of data sources and virtual tables."""
