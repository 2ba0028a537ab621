"""Bytes that nobody meant: the parsers of what strangers send, in this process and over the sockets.

    mutations.py   how inputs are made of good ones; a seed makes them again
    parsers.py     the parsers in process: tokens, tickets, pgwire, Flight's messages, LDAP's names, sealed values, the spec
    sockets.py     the same over the sockets of real processes: compute pool, shard, controller

A *crash* is any exception but the one that the parser announces. *Accepted wrongly* is an input that lets somebody in, or means something
else than was written. ``python -m benchmarks fuzz`` runs a million; ``make test`` some thousands with a fresh seed.
"""
