"""ORDER BY, with the place of NULLs said or forced: most products have them below all values, PostgreSQL above."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from virtualization.connectors.odbc.constants import is_constant
from virtualization.connectors.odbc.expressions import Expressions
from virtualization.refusal import refuse


def order_keys(made_by: Expressions, items: Sequence[exp.Expr]) -> list[str]:
    """Of ORDER BY; RefusedError where the source sorts otherwise."""
    keys: list[str] = []
    for item in items:
        keys += _key(made_by, item)
    return list(dict.fromkeys(keys))


def _key(made_by: Expressions, item: exp.Expr) -> list[str]:
    value = made_by.operand(item.this)
    made_by.conditions.ordered(item, value)
    if value.family == "boolean" or is_constant(item.this):
        raise refuse(item, "type", "truth values are ordered here, constants put nothing in order")
    descending, first = bool(item.args.get("desc")), bool(item.args.get("nulls_first"))
    way = " DESC" if descending else ""
    if made_by.known.nulls == "written":
        return [f"{value.exact}{way} NULLS {'FIRST' if first else 'LAST'}"]
    return [f"CASE WHEN {value.exact} IS NULL THEN {0 if first else 1} ELSE {1 if first else 0} END", f"{value.exact}{way}"]
