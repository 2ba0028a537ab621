"""Keys for any source: its connector is asked the same once more with one condition added, ``column IN (keys)``.

So every connector takes keys, by the rules by which it takes conditions, and without a line of its own; one that declines is read as it
was. Connectors whose fragments take keys in a better form (``TakesKeys``: an array, bounds) are not asked again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from sqlglot import exp

from virtualization.binding.datatypes import data_type
from virtualization.encoding.text import text_column
from virtualization.fragments import FragmentOver
from virtualization.plan import Fragment
from virtualization.planner.properties import conjunction, conjuncts
from virtualization.types import pg_type

MOST_KEYS = 1_000
"""What lists in conditions may hold everywhere (Oracle's end at 1,000)."""

Again = Callable[[str, list[exp.Expr]], Fragment | None]
"""The fragment for a column and its values; None where the source does not take them."""


@dataclass(frozen=True)
class AskedAgain(FragmentOver):
    """``fragment``, of which fewer rows can be asked for. See ``virtualization.plan.Fragment`` and ``TakesKeys``."""

    fragment: Fragment
    again: Again = field(repr=False, compare=False)
    most_keys: int = MOST_KEYS

    def with_keys(self, column: str, keys: Any) -> Fragment:  # noqa: ANN401 an Arrow array
        """See ``TakesKeys``. No keys at all: one that is no value, since lists can't be empty."""
        values: list[exp.Expr] | None = literals(keys) if len(keys) else [exp.Null()]
        narrowed = self.again(column, values) if values is not None else None
        return narrowed if narrowed is not None and narrowed.columns == self.columns else self.fragment


def literals(keys: Any) -> list[exp.Expr] | None:  # noqa: ANN401
    """Arrow values as SQL constants of an unsaid type; None where one can't be said so that everybody reads it alike."""
    texts = text_column(keys, pg_type("text"), "UTC").cast(pa.string()).to_pylist()
    if pa.types.is_integer(keys.type) or pa.types.is_decimal(keys.type):
        return [exp.Literal.number(text) if text[0] != "-" else exp.Neg(this=exp.Literal.number(text[1:])) for text in texts]
    if not pa.types.is_string(keys.type) and any(len(text) < len("2024-01-01") or text[4] != "-" or text.endswith("BC") for text in texts):
        return None  # infinity, years of five digits
    return [exp.Literal.string(text) for text in texts] if all("\0" not in text for text in texts) else None


def scan_condition(column: str, of: str, values: list[exp.Expr]) -> exp.In:
    """For ``Connector.scan``."""
    read = exp.column(column, quoted=True)
    read.type = data_type(of)
    return exp.In(this=read, expressions=values)


def narrowed_query(query: exp.Query, column: str, values: list[exp.Expr]) -> exp.Query | None:
    """A query for ``Connector.push`` with the condition in its WHERE; None where that would not be the same. Of groups, only those with
    other keys may go."""
    if not isinstance(query, exp.Select) or any(query.args.get(part) for part in ("distinct", "limit", "offset", "windows")):
        return None
    item = next((one.unalias() for one in query.selects if one.alias_or_name == column), None)
    if not isinstance(item, exp.Column) or any(one.find(exp.Window) for one in query.selects) or not _filters_groups(query, item):
        return None
    made = query.copy()
    where = made.args.get("where")
    read = item.copy()
    read.type = item.type
    condition = conjunction([*conjuncts(where.this if where is not None else None), exp.In(this=read, expressions=values)])
    made.set("where", exp.Where(this=condition))
    return made


def _filters_groups(query: exp.Select, item: exp.Column) -> bool:
    """Where there are groups: is it a key of all of them?"""
    group = query.args.get("group")
    if group is None:
        return query.args.get("having") is None and not any(one.find(exp.AggFunc) for one in query.selects)
    return item in group.expressions and not any(value for name, value in group.args.items() if name != "expressions")
