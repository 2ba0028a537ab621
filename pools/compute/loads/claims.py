"""Tickets and table descriptions as the protocol writes them, from what the master answered. Pure but for the clock in a signature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pools.tickets import Signer

Table = Mapping[str, Any]
"""A *table* of the load protocol ("JSON of the functions for bdc_pool")."""

PUT_MODES: Mapping[str, str] = {"append": "append", "overwrite": "overwrite", "upsert": "upsert", "modify": "append"}
"""What the put ticket calls a load's mode; a truncate brings no rows."""

WHOLE_TABLE = frozenset({"overwrite", "truncate", "upsert", "modify"})
"""Loads of these modes are sealed on all shards of the table, whether or not rows went there."""


def table_claim(table: Table) -> dict[str, Any]:
    """The table as tickets and shards' messages have it."""
    columns = [column | ({"default": column["constant"]} if "constant" in column else {}) for column in table["columns"]]
    return {name: table[name] for name in ("id", "generation", "schema_version", "key")} | {"columns": columns}


def put_tickets(signer: Signer, load: str, identity: str, table: Table, seconds: float) -> dict[int, str]:
    """Shard number → put ticket; empty for a truncate."""
    mode = PUT_MODES.get(table["mode"])
    if mode is None:
        return {}
    claims = {"db": identity, "load": load, "mode": mode, "tables": [table_claim(table)]}
    return {shard["number"]: signer.sign("data-shard", "put", seconds, claims | {"shard": shard["id"]}) for shard in table["shards"]}


Winner = tuple[int, int, Mapping[int, int]]
"""(partition, attempt, {shard: rows})."""


def seal_tables(tables: Sequence[Table], winners: Mapping[str, Sequence[Winner]]) -> dict[int, list[dict[str, Any]]]:
    """Shard number → the ``tables`` of its seal message; only shards that take part (see ``WHOLE_TABLE``) are named."""
    found: dict[int, list[dict[str, Any]]] = {}
    for table in tables:
        own = winners.get(table["id"], ())
        for shard in table.get("shards") or ():
            number = shard["number"]
            here = [[partition, attempt, rows[number]] for partition, attempt, rows in own if number in rows]
            if here or table["mode"] in WHOLE_TABLE:
                found.setdefault(number, []).append(table_claim(table) | {"mode": table["mode"], "winners": here})
    return found


def rows_of(table: Table, winners: Sequence[Winner]) -> int:
    """Rows that a reader will see of it: a replicated table has each once per shard."""
    each = (rows.values() for _, _, rows in winners)
    if (table.get("distribution") or {}).get("kind") == "replicated":
        return sum(max(counts, default=0) for counts in each)
    return sum(sum(counts) for counts in each)


def one_sided(table: Table, winners: Sequence[Winner]) -> bool:
    """Of a replicated table: does a winner not bring as many rows to each of its shards?"""
    if (table.get("distribution") or {}).get("kind") != "replicated":
        return False
    return any(len({rows.get(shard["number"], 0) for shard in table["shards"]}) > 1 for _, _, rows in winners)


def shards_of(tables: Sequence[Table]) -> dict[int, Mapping[str, Any]]:
    """Number → ``{"number", "id"}`` of all shards of these tables; of one that was dropped meanwhile the master tells none."""
    return {shard["number"]: shard for table in tables for shard in table.get("shards") or ()}
