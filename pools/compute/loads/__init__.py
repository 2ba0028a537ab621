"""The coordinator of the data pool's loads: what docs/architecture/load-protocol.md says of "coordinator".

    flight.py, login.py, relay.py   Arrow Flight endpoint: logins, actions, streams for clients that can't reach the shards
    coordinator.py                  begin, commit, abort, renew, status: the protocol's steps
    publisher.py, sweep.py          what follows a decision, and what a crash left behind
    ledger.py                       the master's functions (decisions)      shards.py    the shards' actions
    claims.py                       tickets and table descriptions. Pure.

Nothing in here is durable: any replica may go on with what another has begun.
"""
