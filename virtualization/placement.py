"""Where the rows of a data-pool table lie, and which state of them a query reads. Plain data: ``docs/architecture/load-protocol.md``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["hash", "round_robin", "replicated"]
BUCKETS = 256

BEHIND = "the master was restored to an older state than the shards have: loads that were committed since are unknown to it"
BEHIND_HINT = "Bring the master's newer state back; or give up what the shards have: CALL bdc.disown_data_tables(), then bdc data restore."
"""Of 55000, for whoever reads or writes then."""


@dataclass(frozen=True)
class StoredColumn:
    """``id`` never changes and is never used again; ``name`` and ``type`` are those of the virtual table."""

    id: int
    name: str
    type: str
    nullable: bool = True
    missing: str | None = None
    """What rows have that are older than the column: DuckDB's SQL; None: NULL."""


@dataclass(frozen=True)
class Shard:
    """``number`` leads to an address (a setting of the pool), ``id`` is the identity that its file was made with."""

    number: int
    id: str


@dataclass(frozen=True)
class DataPlacement:
    """The object ``data`` that ``bdc.pool_catalog()`` gives for a table of the data pool.

    ``id``: the table's UUID; ``identity``: of the database whose rows these are; ``distribution_columns``: of ``hash``, in their order;
    ``buckets``: the shard number of each of the 256 buckets (``hash`` only, else empty).
    """

    id: str
    identity: str
    schema_version: int
    columns: tuple[StoredColumn, ...]
    kind: Kind
    shards: tuple[Shard, ...]
    distribution_columns: tuple[str, ...] = ()
    hash_version: int = 1
    buckets: tuple[int, ...] = ()
    primary_key: tuple[str, ...] = ()
    placed: int = 0
    """The version of the decision that put the table on these shards: earlier snapshots read it by another placement."""

    owned: bool = True
    """False: this database is a copy of the one that loaded the rows, and reaches none of them."""

    @classmethod
    def read(cls, entry: Mapping[str, Any], database: str | None = None) -> DataPlacement:
        """From its JSON form; ``database``: the identity of the one that reads (None: not checked)."""
        distribution = entry["distribution"]
        columns = tuple(StoredColumn(c["id"], c["name"], c["type"], c.get("nullable", True), c.get("missing")) for c in entry["columns"])
        return cls(
            id=entry["id"],
            identity=entry["identity"],
            schema_version=entry["schema_version"],
            columns=columns,
            kind=distribution["kind"],
            shards=tuple(Shard(shard["number"], shard["id"]) for shard in entry["shards"]),
            distribution_columns=tuple(distribution.get("columns") or ()),
            hash_version=distribution.get("hash_version") or 1,
            buckets=tuple(entry.get("buckets") or ()),
            primary_key=tuple(entry.get("primary_key") or ()),
            placed=entry.get("placed") or 0,
            owned=database in (None, entry["identity"]),
        )


@dataclass(frozen=True)
class PendingLoad:
    """A committed load that is not yet published everywhere; ``tables``: the ids of the tables it wrote."""

    load: str
    version: int
    tables: tuple[str, ...]


@dataclass(frozen=True)
class Standing:
    """Is the master as far as the shards? ``behind``: why not (it was restored to an older state); ``unsure``: shards that could not be
    asked, so nothing is read from them."""

    behind: str = ""
    unsure: frozenset[int] = frozenset()


@dataclass(frozen=True)
class ReadState:
    """One state of all data-pool tables of a database: the snapshot number and the loads that a shard may still have to publish."""

    snapshot: int
    pending: tuple[PendingLoad, ...] = ()
    marks: tuple[tuple[str, int], ...] = ()
    """How far each shard (its identity) has come: an older copy of its file can't answer."""

    standing: Standing = Standing()

    @classmethod
    def read(cls, entry: Mapping[str, Any], standing: Standing = Standing()) -> ReadState:
        """From ``bdc.pool_snapshot()``: ``{"snapshot": S, "pending": [[load, version, [table ids]], …], "marks": {shard: mark}}``."""
        pending = tuple(PendingLoad(load, version, tuple(tables)) for load, version, tables in entry.get("pending") or ())
        return cls(entry["snapshot"], pending, tuple((entry.get("marks") or {}).items()), standing)


ReadStates = Callable[[Sequence[str]], ReadState]
"""Asked with the ids of the tables about to be read, from any thread: the same state for all statements of a transaction.
Raises UnsupportedError where this transaction has written one of the tables."""
