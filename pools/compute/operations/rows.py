"""Rows of whole tables: read from one shard as of a snapshot, and written anew onto shards as part of a load. Everything blocks."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyarrow import flight

from pools.compute.errors import StatementError
from pools.compute.loads.claims import Table
from pools.compute.loads.shards import Shards, refused
from virtualization.connectors.datapool.statements import quoted
from virtualization.types import PG_TYPE, pg_type

TICKET_SECONDS = 3600.0
_FIELDS = ("id", "name", "type", "nullable", "missing")


@dataclass(frozen=True)
class State:
    """What ``pool_data_set`` answers: tables as of one snapshot."""

    database: str
    identity: str
    snapshot: int
    pending: Sequence[tuple[str, int]]
    tables: tuple[Table, ...]
    marks: Mapping[str, int]

    @classmethod
    def read(cls, answer: Mapping[str, Any]) -> State:
        """From its JSON."""
        pending = [(load, version) for load, version in answer["pending"]]
        tables = tuple(answer["tables"])
        return cls(answer["database"], answer["identity"], answer["snapshot"], pending, tables, answer.get("marks") or {})


def schema_of(table: Table) -> pa.Schema:
    """The table's columns by name, in their order, with their PostgreSQL types as metadata."""
    types = [(column["name"], pg_type(column["type"]), column.get("nullable", True)) for column in table["columns"]]
    return pa.schema([pa.field(name, of.arrow, metadata={PG_TYPE: of.text.encode()}) for name, of, _ in types])


def sources(table: Table, present: Sequence[Mapping[str, Any]] = ()) -> list[Mapping[str, Any]]:
    """The shards that together hold each row once; of a replicated table one of those ``present``, which has all."""
    shards: list[Mapping[str, Any]] = list(table["shards"])
    if table["distribution"]["kind"] != "replicated":
        return shards
    return [shard for shard in shards if shard in present][:1] or shards[:1]


def read_shard(shards: Shards, state: State, table: Table, shard: Mapping[str, Any], stop: threading.Event) -> Iterator[pa.RecordBatch]:
    """The table's rows on one shard, batches of ``schema_of(table)``; 57014 when ``stop`` is set."""
    columns = [{name: column[name] for name in _FIELDS if name in column} for column in table["columns"]]
    claims = {
        "db": state.identity,
        "shard": shard["id"],
        "tables": [{"id": table["id"], "alias": "t", "schema_version": table["schema_version"], "columns": columns, "key": []}],
        "mark": state.marks.get(shard["id"]),
        "snapshot": state.snapshot,
        "pending": [list(load) for load in state.pending],
        "sql": f"SELECT {', '.join(quoted(column['name']) for column in columns)} FROM t",
        "output": [column["type"] for column in columns],
    }
    number = int(shard["number"])
    ticket = flight.Ticket(shards.signer.sign("data-shard", "read", TICKET_SECONDS, claims).encode())
    schema = schema_of(table)
    try:
        reader = shards.client(number).do_get(ticket)
        try:
            for chunk in reader:
                if stop.is_set():
                    raise StatementError("57014", "cancelled")
                if chunk.data is not None and chunk.data.num_rows:
                    yield pa.RecordBatch.from_arrays(chunk.data.columns, schema=schema)
        finally:
            reader.cancel()
    except (pa.ArrowException, OSError) as error:
        raise refused(error, number) from None
