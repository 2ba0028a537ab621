"""The compute pool: plans and runs SQL over virtual tables for the master's postgres_fdw and for direct clients.

wire/       the PostgreSQL protocol: bytes and messages, SCRAM, one connection, the listening server
session     what one connection means: transactions, settings, cursors, prepared statements
queries     admission, the registry of what runs, cancellation, the guard on memory
catalogs    what virtual tables exist, kept in step with each database of the master
service     the process
"""
