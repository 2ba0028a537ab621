"""Explanations that the master asks for: of one remote statement of a plan, and of what the master kept of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pools.compute.errors import StatementError
from pools.compute.master_plans import kept_by_master
from pools.compute.parameters import declared, fill
from pools.compute.runner import Explanation
from virtualization.explanation import kept_lines, reason
from virtualization.plan import Plan

EXPLAIN = "explain"
"""The action's name in a request."""

FILLED_IN = "The master fills in values while it runs, shown as NULL here"

WRITES = ("INSERT", "UPDATE", "DELETE", "TRUNCATE")
WRITE = "The data pool writes: the shards of the table hold the rows back until COMMIT."
ROW_BY_ROW = "The compute pool refuses this one when it is run: rows to be changed one by one."

Explain = Callable[[str, bool], Awaitable[tuple[Explanation, Plan]]]


async def asked_explanation(content: Mapping[str, Any], explain: Explain) -> list[object]:
    """Rows of the answer to a request ``explain``. A statement with parameters (the inner side of a nested loop) has no values yet: it is
    explained with NULLs and never run; of one that writes there is nothing to plan."""
    sql = str(content.get("sql", ""))
    writes = sql.split(" ", 1)[0] in WRITES
    known = ROW_BY_ROW if row_by_row(sql) or (writes and sql.endswith("WHERE ctid = $1")) else WRITE if writes else None
    if known is not None:
        return [{"plan": {"note": known}}] if content.get("format") == "json" else [{"line": known}]
    parameters = declared(sql, ())
    analyze = bool(content.get("analyze")) and not parameters
    explained, _ = await explain(fill(sql, ["NULL"] * len(parameters)), analyze)
    note = f"{FILLED_IN}{'; so it is not run by itself' if content.get('analyze') else ''}." if parameters else None
    if content.get("format") == "json":
        plan = explained.json()
        return [{"plan": plan if note is None else {"note": note, **plan}}]
    lines = explained.text().splitlines()
    return [{"line": line} for line in ([note] if note else []) + lines]


def row_by_row(sql: str) -> bool:
    """Is it what postgres_fdw sends for an UPDATE or DELETE that it can't ship: rows with their places, to be changed one by one?"""
    return sql.endswith("FOR UPDATE") and "ctid" in sql


def kept_rows(plan: object, form: object) -> list[object]:
    """Rows of the answer to a request ``kept_by_master``: ``plan`` is one element of EXPLAIN (VERBOSE, FORMAT JSON)."""
    if not isinstance(plan, Mapping) or not isinstance(plan.get("Plan"), Mapping):
        raise StatementError("22023", "the request brings no plan")
    kept = kept_by_master(plan)
    if form == "json":
        return [{"kept": [reason(one) for one in kept]}]
    if not kept:
        return [{"line": "The master ships all of it."}]
    return [{"line": line} for line in kept_lines("Kept by the master:", kept)]
