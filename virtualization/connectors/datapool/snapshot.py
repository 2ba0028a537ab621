"""Tickets for one state of the data pool: which rows a statement sees is said by the snapshot number and the loads pending."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from virtualization.connectors.datapool.faults import ShardError
from virtualization.connectors.datapool.statements import Statement
from virtualization.errors import InternalError, MovedError, SourceUnreachableError
from virtualization.placement import BEHIND, BEHIND_HINT, DataPlacement, ReadState
from virtualization.plan import QueryContext


def read_state(context: QueryContext, tables: Sequence[DataPlacement]) -> ReadState:
    """The state that the query's transaction reads. 55000 where the master is older than the shards."""
    if context.read_states is None:
        raise InternalError("this session knows no snapshot of the data pool")
    return refuse_behind(context.read_states([table.id for table in tables]))


def refuse_behind(state: ReadState) -> ReadState:
    """``state``; 55000 where its master is older than the shards."""
    if state.standing.behind:
        raise ShardError("55000", BEHIND, detail=state.standing.behind, hint=BEHIND_HINT)
    return state


def sure(state: ReadState, numbers: Sequence[int]) -> Sequence[int]:
    """Those of ``numbers`` that may be read; 08001 where there is none."""
    found = [number for number in numbers if number not in state.standing.unsure]
    if not found:
        raise SourceUnreachableError(
            f"shard {numbers[-1]} of the data pool does not answer", detail="It did not when the master was compared with it.",
            hint="Try again; `bdc status` shows whether it runs.",
        )  # fmt: skip
    return found


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
