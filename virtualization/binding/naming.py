"""Output names as PostgreSQL gives them (``FigureColname`` in its parser), and unique names for inside a plan."""

from __future__ import annotations

from collections.abc import Iterable

from sqlglot import exp

from virtualization.parse import WRITTEN

_BY_CLASS: dict[type[exp.Expr], str] = {
    exp.Count: "count", exp.Sum: "sum", exp.Avg: "avg", exp.Min: "min", exp.Max: "max", exp.Coalesce: "coalesce", exp.Greatest: "greatest",
    exp.Least: "least", exp.Nullif: "nullif", exp.Case: "case", exp.Exists: "exists", exp.Array: "array", exp.Extract: "extract",
    exp.Substring: "substring", exp.CurrentDate: "current_date", exp.CurrentTimestamp: "current_timestamp", exp.Tuple: "row",
    exp.Length: "length", exp.Lower: "lower", exp.Upper: "upper", exp.Abs: "abs", exp.Round: "round", exp.Ceil: "ceil",
    exp.Floor: "floor", exp.RowNumber: "row_number", exp.Stddev: "stddev", exp.Variance: "variance", exp.LogicalAnd: "bool_and",
    exp.LogicalOr: "bool_or", exp.GroupConcat: "string_agg", exp.ArrayAgg: "array_agg", exp.TimestampTrunc: "date_trunc",
    exp.DateTrunc: "date_trunc", exp.StrPosition: "position", exp.Initcap: "initcap",
    exp.AtTimeZone: "timezone", exp.VariancePop: "var_pop", exp.Pow: "power", exp.Rand: "random", exp.Corr: "corr",
    exp.CovarPop: "covar_pop", exp.CovarSamp: "covar_samp", exp.Explode: "unnest", exp.ExplodingGenerateSeries: "generate_series",
}  # fmt: skip
_TRANSPARENT = (exp.Paren, exp.Window, exp.Filter, exp.WithinGroup, exp.Distinct, exp.Collate, exp.Bracket)
_TYPE_NAMES = {"INT": "int4", "BIGINT": "int8", "SMALLINT": "int2", "DOUBLE PRECISION": "float8", "REAL": "float4", "BOOLEAN": "bool",
               "DECIMAL": "numeric", "CHAR": "bpchar"}  # fmt: skip


_CERTAIN, _WEAK, _NONE = 2, 1, 0
"""How much a name counts: that of a cast or a CASE gives way to the one of the cast around it."""


def output_name(node: exp.Expr) -> str:
    """The name of an unaliased select item."""
    return _figure(node)[0] or "?column?"


def _figure(node: exp.Expr) -> tuple[str | None, int]:
    if isinstance(node, exp.Alias):
        return str(node.alias), _CERTAIN
    if isinstance(node, exp.Column):
        return str(node.table if isinstance(node.this, exp.Star) else node.name), _CERTAIN
    if isinstance(node, exp.Dot):
        return str(node.expression.name), _CERTAIN
    if isinstance(node, _TRANSPARENT):
        return _figure(node.this)
    if isinstance(node, exp.Cast):
        return _unless_certain(node.this, _type_label(node.to))
    if isinstance(node, exp.Interval):
        return "interval", _WEAK
    if isinstance(node, exp.Case):
        return _unless_certain(node.args.get("default"), "case")
    if isinstance(node, exp.Subquery):
        inner = node.unnest()
        selects = inner.selects if isinstance(inner, exp.Query) else []
        return _figure(selects[0]) if selects else (None, _NONE)
    name = _function(node)
    return name, _NONE if name is None else _CERTAIN


def _unless_certain(inner: exp.Expr | None, name: str) -> tuple[str | None, int]:
    found = (None, _NONE) if inner is None else _figure(inner)
    return found if found[1] == _CERTAIN else (name, _WEAK)


def _function(node: exp.Expr) -> str | None:
    if isinstance(node, exp.Anonymous):
        return str(node.this).lower() if isinstance(node.this, str) else node.this.name
    written = node.meta.get(WRITTEN)
    if written is not None:
        return str(written)
    if isinstance(node, exp.Trim):
        return {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(str(node.args.get("position") or ""), "btrim")
    if isinstance(node, exp.Pad):
        return "lpad" if node.args.get("is_left") else "rpad"
    found = _BY_CLASS.get(type(node))
    if found is None and isinstance(node, exp.Func) and not isinstance(node, exp.Binary | exp.Predicate | exp.Connector):
        return node.sql_name().lower()
    return found


def _type_label(of: exp.DataType) -> str:
    text = of.sql("postgres").split("(")[0].removesuffix("[]")
    return _TYPE_NAMES.get(text, text.lower())


def unique(names: Iterable[str]) -> list[str]:
    """The same names, later duplicates numbered: ``id``, ``id_1`` …"""
    taken: set[str] = set()
    result = []
    for name in names:
        candidate, number = name, 0
        while candidate in taken:
            number += 1
            candidate = f"{name}_{number}"
        taken.add(candidate)
        result.append(candidate)
    return result
