"""What administrators ask of tables of the data pool beside loads: docs/architecture/load-protocol.md, "Operations".

work.py                 operations that take long: taken from the master's row, told about, begun anew after a crash
backup.py, restore.py   one snapshot as Parquet and a manifest, in HDFS or a folder; export
move.py                 resize: a table's rows on other shards
rows.py, files.py       rows of a snapshot, shard by shard; the files they go to and come from
tables.py               statistics, compaction: answered at once
"""
