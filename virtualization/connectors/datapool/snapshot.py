"""Tickets for one state of the data pool: which rows a statement sees is said by the snapshot number and the loads pending."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from virtualization.connectors.datapool.statements import Statement
from virtualization.errors import InternalError, MovedError
from virtualization.placement import DataPlacement, ReadState
from virtualization.plan import QueryContext


def read_state(context: QueryContext, tables: Sequence[DataPlacement]) -> ReadState:
    """The state that the query's transaction reads."""
    if context.read_states is None:
        raise InternalError("this session knows no snapshot of the data pool")
    return context.read_states([table.id for table in tables])


def claims(statement: Statement, state: ReadState, shards: Mapping[int, str], number: int) -> dict[str, Any]:
    """Of the read ticket for one shard; ``shards``: identities by number."""
    if any(table.data.placed > state.snapshot for table in statement.tables):
        raise MovedError("a table was moved to other shards since this transaction began", hint="Run the transaction again.")
    read = {table.data.id for table in statement.tables}
    return {
        "db": statement.tables[0].data.identity,
        "shard": shards[number],
        "tables": [table.claim for table in statement.tables],
        "mark": dict(state.marks).get(shards[number]),
        "snapshot": state.snapshot,
        "pending": [[load.load, load.version] for load in state.pending if read & set(load.tables)],
        "sql": statement.sql,
        "types": [kind.duckdb for kind in statement.kinds],
    }
