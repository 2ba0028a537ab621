"""PostgreSQL's SQL written for DuckDB where that is proved to give the same answer, and refused where it is not.

Shared by the DuckDB executor and by the connector of the data pool, whose shards run DuckDB. ``statements.translate_columns`` is the
entry; ``allowed`` is the list of what may be written.
"""
