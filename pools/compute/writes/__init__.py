"""Writes of SQL sessions into the data pool: a remote transaction is one load, begun at its first write, decided at COMMIT.

parsing.py       what INSERT, UPDATE, DELETE and TRUNCATE ask for (the forms of postgres_fdw, and plain ones). Pure.
conversion.py    columns of text, as parameters bring them, in the table's Arrow types
streams.py       rows of one table to its shards: spread by bucket, one stream per shard
transaction.py   the load: tables, segments, savepoints, seal and decision
session.py       the same as a session's statements
"""
