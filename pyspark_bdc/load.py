"""One load as the driver begins it and as the tasks know it (the load protocol's client; see docs/architecture/load-protocol.md)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pyspark_bdc.coordinator import Login
from pyspark_bdc.errors import WriteError

RENEW_SHARE = 3
"""A task asks for more time when a third of it has passed since the load was begun or renewed."""


@dataclass(frozen=True)
class Shard:
    """Where rows go: ``location`` is ``grpc://host:port``; the ticket allows this load's rows into this shard and nothing else."""

    number: int
    location: str
    ticket: str = field(repr=False)


@dataclass(frozen=True)
class Distribution:
    """How rows spread: ``kind`` hash, round_robin or replicated; ``buckets``: 256 shard numbers."""

    kind: str
    columns: tuple[str, ...]
    version: int
    buckets: tuple[int, ...]

    def shard_of_buckets(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The map as an array."""
        return np.asarray(self.buckets, dtype=np.int64)


@dataclass(frozen=True)
class Load:
    """Begun, and ready for rows. ``state`` open, committed (a load of this id was: nothing to do) or ignored (``ifExists``)."""

    id: str
    state: str
    login: Login
    shards: tuple[Shard, ...] = ()
    distribution: Distribution = Distribution("round_robin", (), 1, ())
    columns: tuple[tuple[str, str], ...] = ()
    """(name, PostgreSQL type) of the table."""
    seconds: float = 3600.0
    begun: float = field(default_factory=time.time)
    version: int | None = None

    def commit(self, winners: Sequence[tuple[int, int, dict[int, int]]]) -> dict[str, Any]:
        """``winners``: (partition, attempt, {shard: rows}) of each task that counts. A lost answer is asked for again: the load's id
        makes that safe. WriteError."""
        body = {"load": self.id, "winners": [[p, a, {str(s): n for s, n in rows.items()}] for p, a, rows in winners]}
        try:
            return self.login.ask("commit", body)
        except WriteError as error:
            if error.sqlstate != "40003":
                raise
            return self.login.ask("commit", body)

    def abort(self, reason: str) -> None:
        """Nothing of it will be there."""
        self.login.ask("abort", {"load": self.id, "reason": reason})

    def renew_if_due(self, last: float) -> float:
        """Ask for more time when it is due; returns when that was last done (seconds since the epoch)."""
        now = time.time()
        if now - last < self.seconds / RENEW_SHARE:
            return last
        self.login.ask("renew", {"load": self.id, "seconds": self.seconds})
        return now


def begin(login: Login, body: dict[str, Any]) -> Load:
    """Ask the coordinator for a load; ``body`` as the protocol's ``begin`` takes it."""
    answer = login.ask("begin", body)
    if answer["state"] != "open":
        return Load(str(answer.get("load", "")), answer["state"], login, version=answer.get("version"))
    spread = answer["distribution"]
    return Load(
        id=answer["load"],
        state="open",
        login=login,
        shards=tuple(Shard(one["number"], one["address"], one["ticket"]) for one in answer["shards"]),
        distribution=Distribution(
            spread["kind"], tuple(spread.get("columns", ())), spread.get("hash_version", 1), tuple(answer.get("buckets", ()))
        ),
        columns=tuple((column["name"], column["type"]) for column in answer["columns"]),
        seconds=float(answer.get("expires_in", 3600)),
    )
