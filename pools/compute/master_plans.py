"""Why the master did not ship a statement whole: read from its own plan (EXPLAIN VERBOSE as JSON), in words for people. Pure.

The master plans with stock postgres_fdw, whose rules are these: no expressions of the select list (unless they are grouped by or
aggregated), conditions of immutable built-in functions only, no windows, no DISTINCT, no set operations, no sub-queries in expressions,
nothing above a part that stayed. Each node above a Foreign Scan of the compute pool is one of those.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from virtualization.plan import Kept

Node = Mapping[str, Any]

_REQUEST = "bdc.compute_request"
_JOINS = ("Nested Loop", "Hash Join", "Merge Join")
_GROUPS = ("Aggregate", "Group", "Unique")
_SET_OPERATION = ("fdw_set_operation", "postgres_fdw ships no set operations: each part comes by itself")
_OTHERS = {
    **dict.fromkeys(("Append", "Merge Append", "SetOp", "Recursive Union"), _SET_OPERATION),
    "WindowAgg": ("fdw_window", "postgres_fdw ships no window functions"),
    "ProjectSet": ("fdw_set_function", "postgres_fdw ships no functions that give several rows"),
    "Limit": ("fdw_order", "postgres_fdw ships LIMIT with the whole statement only"),
}
"""Node type -> reason code and why."""
_SORTS = ("Sort", "Incremental Sort")
_SORTED_FOR = ("Merge Join", "WindowAgg", "Aggregate", "Unique", "SetOp", "Group", "Merge Append", "Incremental Sort")
"""Nodes for whose sake the master sorts by itself: no ORDER BY that was written."""
_PASSING = ("Materialize", "Memoize", "Gather", "Gather Merge", "Hash", "Result", "Subquery Scan", "LockRows", *_SORTS)
_COLUMN = re.compile(r'^\(*(?:(?:"(?:[^"]|"")+"|[\w$]+)\.)*(?:"(?:[^"]|"")+"|[\w$]+|\*)\)*$')
_CALL = re.compile(r'((?:"[^"]+"|[\w$]+))\(')
_NOT_CALLS = {"any", "all", "and", "or", "not", "in", "varying", "numeric", "character", "timestamp", "time", "interval", "bit", "over"}

_SHIPPED = {"count", "sum", "avg", "min", "max", "bool_and", "bool_or", "every", "stddev", "variance", "array_agg", "string_agg"}
"""Aggregates that postgres_fdw ships over plain columns."""

DIRECT = "Ask the compute pool itself (bdc endpoint list -e compute-0): it takes the whole SELECT."
_OR_DIRECT = DIRECT[0].lower() + DIRECT[1:]


def kept_by_master(plan: Mapping[str, Any]) -> tuple[Kept, ...]:
    """``plan``: one element of EXPLAIN (VERBOSE, FORMAT JSON). Nothing where the statement was shipped whole, or reads no virtual table."""
    found: dict[tuple[str, str], Kept] = {}
    for node, parents in _walk(plan["Plan"], ()):
        if _is_remote(node) or _remote_below(node):
            for kept in _reasons(node, parents):
                found.setdefault((kept.code, kept.what), kept)
    return tuple(found.values())


def _walk(node: Node, parents: tuple[Node, ...]) -> Iterator[tuple[Node, tuple[Node, ...]]]:
    yield node, parents
    for child in node.get("Plans", ()):
        yield from _walk(child, (*parents, node))


def _is_remote(node: Node) -> bool:
    return _REQUEST not in node.get("Remote SQL", _REQUEST)


def _remote_below(node: Node) -> bool:
    return any(_is_remote(below) for below, _ in _walk(node, ()))


def _reasons(node: Node, parents: Sequence[Node]) -> Iterator[Kept]:
    kind = str(node.get("Node Type"))
    if "Subplan Name" in node:
        yield Kept(str(node["Subplan Name"]), "fdw_sub_query", "postgres_fdw ships no sub-query by itself and no WITH query", DIRECT)
    if kind == "ModifyTable":
        yield from _of_write(node)
    elif _is_remote(node):
        yield from _of_scan(node)
    elif kind in _JOINS:
        yield _of_join(node)
    elif kind in _GROUPS:
        yield _of_group(node)
    elif kind in _SORTS:
        yield from _of_sort(node, parents)
    elif kind == "Result":
        yield from _of_output(node, "")
    elif kind in _OTHERS:
        yield _of_other(node, kind)


def _of_write(node: Node) -> Iterator[Kept]:
    """Rows that are read in the pool, go through the master and are written in the pool. UPDATE and DELETE that were shipped whole have a
    Foreign Scan with an Operation below."""
    operation = str(node.get("Operation", "")).upper()
    if operation == "INSERT" and any(_remote_below(child) for child in node.get("Plans", ())):
        why = "the rows of INSERT … SELECT go through the master: postgres_fdw sends them by batches"
        yield Kept(operation, "fdw_write", why, "CALL bdc.merge(…) adds the rows of one table to another inside of the pool.")
    elif operation in ("UPDATE", "DELETE") and _is_remote(node):
        why = "postgres_fdw can't ship it whole, and would change row by row: the compute pool refuses that when it is run"
        yield Kept(operation, "fdw_write", why, "Write it with built-in functions over the table's own columns, or CALL bdc.merge(…).")


def _of_other(node: Node, kind: str) -> Kept:
    code, why = _OTHERS[kind]
    if kind == "Limit":
        return _above(node, "LIMIT") or Kept("LIMIT", code, why, DIRECT)
    return Kept(_calls_in(node) or kind, code, why, DIRECT)


def _of_sort(node: Node, parents: Sequence[Node]) -> Iterator[Kept]:
    if not parents or parents[-1].get("Node Type") not in _SORTED_FOR:
        what = f"ORDER BY {', '.join(node.get('Sort Key', ()))}"
        yield _above(node, what) or Kept(what, "fdw_order", "postgres_fdw does not ship this order: an expression, or a collation", DIRECT)


def _of_scan(node: Node) -> Iterator[Kept]:
    filtered = node.get("Filter")
    if filtered:
        calls = _calls(str(filtered))
        about = f" (here: {', '.join(calls)})" if calls else ""
        yield Kept(
            str(filtered),
            "fdw_filter",
            f"postgres_fdw ships conditions of immutable built-in functions and operators only{about}",
            f"Compare with constants, or: {_OR_DIRECT}",
        )
    yield from _of_output(node, str(node["Remote SQL"]))


def _of_output(node: Node, remote: str) -> Iterator[Kept]:
    """Expressions that the remote statement does not compute. Grouped statements compute theirs there: told by the calls in the text."""
    grouped = "Aggregate" in str(node.get("Relations", ""))
    local = [item for item in node.get("Output", ()) if not _COLUMN.match(item) and not (grouped and _computed(item, remote))]
    if local:
        why = "postgres_fdw ships no expressions of a select list, only columns: they are computed in the master"
        yield Kept(", ".join(local), "fdw_select_list", why, DIRECT)


def _computed(item: str, remote: str) -> bool:
    """Is all of an output of a grouped statement in the remote text? Names of tables differ there (r1.a for t.a), and so do casts."""
    calls = _calls(item)
    if calls:
        return all(f"{call.lower()}(" in remote.lower() for call in calls)
    return _bare(item) in _bare(remote)


def _bare(text: str) -> str:
    """Without what the two ways of writing differ in."""
    return re.sub(r"::[\w ]+?(?=\W|$)|(?:\w+\.)+(?=\w)|[\s()]", "", text.lower())


def _of_join(node: Node) -> Kept:
    condition = next((str(node[key]) for key in ("Hash Cond", "Merge Cond", "Join Filter") if key in node), "join")
    local = sorted({name for child in node.get("Plans", ()) if not _remote_below(child) for name in _relations(child)})
    if local:
        why = f"{' and '.join(local)} lies in the master: the rows that it joins come here"
        fix = "Load the local table into the data pool (bdc data import, or INSERT … SELECT): then the compute pool joins it."
        return Kept(condition, "fdw_local_table", why, fix)
    why = "the master joins by itself: postgres_fdw can't ship the condition or the kind of join, or the planner holds that to be dearer"
    return Kept(condition, "fdw_join", why, f"ANALYZE, or bdc table refresh, tells it how many rows there are; or: {_OR_DIRECT}")


def _of_group(node: Node) -> Kept:
    keys = ", ".join(node.get("Group Key", ()))
    calls = _calls_in(node)
    if node.get("Node Type") == "Unique" or not calls:
        what = f"DISTINCT {keys or ', '.join(node.get('Output', ()))}"
        why = "postgres_fdw ships no DISTINCT"
        return _above(node, what) or Kept(what, "fdw_distinct", why, f"GROUP BY the same columns is shipped; or: {_OR_DIRECT}")
    what = f"{calls}{f' GROUP BY {keys}' if keys else ''}"
    return _above(node, what) or _of_aggregate(node, what, set(_calls(calls)))


def _of_aggregate(node: Node, what: str, calls: set[str]) -> Kept:
    if "Grouping Sets" not in node and calls <= _SHIPPED:
        why = "by its estimates the master's planner holds it to be cheaper here"
        return Kept(what, "fdw_cost", why, f"ANALYZE, or bdc table refresh, tells it how many rows and groups there are; or: {_OR_DIRECT}")
    why = "postgres_fdw ships no GROUPING SETS, and aggregates of immutable, built-in functions only where that looks cheaper"
    return Kept(what, "fdw_aggregate", why, DIRECT)


def _above(node: Node, what: str) -> Kept | None:
    """Is it here because something below it is? Then that is the reason."""
    below = node
    while len(below.get("Plans", ())) == 1:
        below = below["Plans"][0]
        if below.get("Node Type") not in _PASSING:
            break
    if _is_remote(below) and not below.get("Filter"):
        return None
    return Kept(what, "fdw_above", "it works on rows that the master filters or puts together itself (see the other reasons)")


def _relations(node: Node) -> Iterator[str]:
    """The local tables, functions and lists that a part of the plan reads."""
    for below, _ in _walk(node, ()):
        if "Relation Name" in below:
            yield f"{below.get('Schema', 'public')}.{below['Relation Name']}"
        elif below.get("Node Type") in ("Function Scan", "Values Scan", "CTE Scan", "WorkTable Scan"):
            yield str(below.get("Function Name") or below.get("CTE Name") or below.get("Alias") or "VALUES")


def _calls(text: str) -> list[str]:
    return list(dict.fromkeys(name for name in _CALL.findall(text) if name.lower() not in _NOT_CALLS))


def _calls_in(node: Node) -> str:
    """The outputs of a node that are calls."""
    return ", ".join(item for item in node.get("Output", ()) if _calls(item))
