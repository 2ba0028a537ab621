"""The data pool: shards, each one DuckDB file behind Arrow Flight, that answer to tickets only.

``service``     the process                         ``flight``      calls in, errors out
``settings``    of one shard                        ``workloads``   what the cluster runs
``tables``      tables as tickets name them         ``ledger``      segments and generations: who sees what
``store``       the file and its meta tables        ``intake``      put, with ``batches``
``sealing``     seal, publish, abort                ``keys``        PRIMARY KEY and upsert
``changes``     modify                              ``visibility``  which rows a snapshot sees
``reading``     read                                ``compaction``  vacuum, folding, rewriting
``shard``       the calls, without the wire         ``statistics``  hello, stats, segments
``watching``    readers that have left

What they keep is written in docs/architecture/load-protocol.md.
"""
