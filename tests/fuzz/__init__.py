"""Bytes that nobody meant: the parsers of what strangers send, in this process and over the sockets.

    mutations.py   how inputs are made of good ones; a seed makes them again
    targets.py     what a parser to be fuzzed is
    parsers.py     the parsers in process: tokens, tickets, Flight's messages, LDAP's names, sealed values, the spec
    wire_parsers.py      those of PostgreSQL's protocol
    app_parsers.py       those of apps: inputs, batches, tensors, specs, schedules, packages
    gateway_parsers.py   those of the gateway: HTTP/2 and gRPC, WebHDFS
    sockets.py     the same over the sockets of real processes: compute pool, shard, controller, apps, gateway

A *crash* is any exception but the one that the parser announces. *Accepted wrongly* is an input that lets somebody in, or means something
else than was written. ``python -m benchmarks fuzz`` runs a million; ``make test`` some thousands with a fresh seed.
"""
