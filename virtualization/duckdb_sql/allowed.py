"""The allow list: everything that DuckDB may evaluate, how it is written there, and what would differ.

A line holds for the kinds of operands it names (``virtualization.duckdb_sql.kinds``); what has no line is refused and runs on
PostgreSQL. The tests' corpus (``tests/virtualization/executors/corpus.py``) runs each line on both engines and demands equal
answers; ``test_every_line_is_proved`` fails for a line that no query of the corpus used.

In ``render``, ``{0}``, ``{1}`` … are the operands. ``decimal`` results carry the scale that ``scale`` gives.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

FLOAT_CHECK = (
    "(CASE WHEN isinf({0} %s {1}) AND isfinite({0}) AND isfinite({1}) THEN error('value out of range: overflow')"
    " WHEN ({0} %s {1}) = 0 AND {0} <> 0 AND %s THEN error('value out of range: underflow') ELSE {0} %s {1} END)"
)

_OVERFLOW = (
    "(CASE WHEN isinf({0} %s {1}) AND isfinite({0}) AND isfinite({1}) THEN error('value out of range: overflow') ELSE {0} %s {1} END)"
)
_FLOAT_DIVISION = (
    "(CASE WHEN {1} = 0 AND NOT isnan({0}) THEN error('division by zero') ELSE " + FLOAT_CHECK % ("/", "/", "NOT isinf({1})", "/") + " END)"
)
_DAYS_BETWEEN = "(CASE WHEN isinf({0}) OR isinf({1}) THEN error('cannot subtract infinite dates') ELSE CAST({0} - {1} AS INTEGER) END)"


@dataclass(frozen=True)
class Line:
    """``node``: sqlglot's class (or a plain function's name) in lower case."""

    node: str
    operands: tuple[str, ...]
    result: str
    render: str
    differs: str = ""


def _integer_lines() -> Iterator[Line]:
    for kind in ("int2", "int4", "int8"):
        two = (kind, kind)
        yield Line("add", two, kind, "({0} + {1})")
        yield Line("sub", two, kind, "({0} - {1})")
        yield Line("mul", two, kind, "({0} * {1})")
        # NULL / 0 is NULL: the operator is strict
        zero = "(CASE WHEN {1} = 0 AND {0} IS NOT NULL THEN error('division by zero') ELSE {0} %s {1} END)"
        yield Line("div", two, kind, zero % "//", "DuckDB's / is not integral; // gives NULL for a zero divisor")
        yield Line("mod", two, kind, zero % "%", "NULL for a zero divisor")
        yield Line("neg", (kind,), kind, "(0::{type} - {0})", "DuckDB widens where PostgreSQL reports overflow")
        yield Line("abs", (kind,), kind, "abs({0})")


LINES: tuple[Line, ...] = (
    *_integer_lines(),
    # doubles: DuckDB goes on with infinity where PostgreSQL reports an error
    Line("add", ("float8", "float8"), "float8", _OVERFLOW % ("+", "+"), "overflow gives infinity"),
    Line("sub", ("float8", "float8"), "float8", _OVERFLOW % ("-", "-"), "overflow gives infinity"),
    Line("mul", ("float8", "float8"), "float8", FLOAT_CHECK % ("*", "*", "{1} <> 0", "*"), "overflow gives infinity, underflow zero"),
    Line("div", ("float8", "float8"), "float8", _FLOAT_DIVISION, "a zero divisor gives infinity"),
    Line("neg", ("float8",), "float8", "(- {0})"),
    Line("abs", ("float8",), "float8", "abs({0})"),
    Line("ceil", ("float8",), "float8", "ceil({0})"),
    Line("floor", ("float8",), "float8", "floor({0})"),
    Line("round", ("float8",), "float8", "round_even({0}, 0)", "round() is half away from zero, PostgreSQL's is half to even"),
    # decimals: the operands come with the result's scale, see arithmetic.py
    Line("neg", ("decimal",), "decimal", "(- {0})"),
    Line("abs", ("decimal",), "decimal", "abs({0})"),
    Line("ceil", ("decimal",), "decimal0", "ceil({0})"),
    Line("floor", ("decimal",), "decimal0", "floor({0})"),
    Line("round", ("decimal",), "decimal0", "round({0}, 0)"),
    # text: counted in code points by both; order and equality by bytes (the pool's PostgreSQL is C.UTF-8)
    Line("dpipe", ("text", "text"), "text", "({0} || {1})"),
    Line("length", ("text",), "int4", "CAST(length({0}) AS INTEGER)", "DuckDB's is a bigint"),
    Line("strposition", ("text", "text"), "int4", "CAST(strpos({0}, {1}) AS INTEGER)", "DuckDB's is a bigint"),
    Line("trim", ("text",), "text", "trim({0}, ' ')", "DuckDB's own default takes other blanks too"),
    Line("ltrim", ("text",), "text", "ltrim({0}, ' ')", "the same"),
    Line("rtrim", ("text",), "text", "rtrim({0}, ' ')", "the same"),
    Line("replace", ("text", "text", "text"), "text", "replace({0}, {1}, {2})"),
    Line("startswith", ("text", "text"), "bool", "starts_with({0}, {1})"),
    Line("md5", ("text",), "text", "md5({0})"),
    # dates: an infinite one has no parts in DuckDB
    Line("sub", ("date", "date"), "int4", _DAYS_BETWEEN, "DuckDB's is a bigint"),
    Line("add", ("date", "int4"), "date", "(CASE WHEN isinf({0}) THEN {0} ELSE {0} + {1} END)"),
    Line("sub", ("date", "int4"), "date", "(CASE WHEN isinf({0}) THEN {0} ELSE {0} - {1} END)"),
)

BY_NODE: dict[str, list[Line]] = {}
for _line in LINES:
    BY_NODE.setdefault(_line.node, []).append(_line)

COMPARISONS = {
    "eq": "=",
    "neq": "<>",
    "lt": "<",
    "lte": "<=",
    "gt": ">",
    "gte": ">=",
    "nullsafeeq": "IS NOT DISTINCT FROM",
    "nullsafeneq": "IS DISTINCT FROM",
}
"""Over two operands of one kind, none of them opaque. NaN is equal to itself and the largest in both engines."""

COMPARABLE = frozenset(
    {"bool", "int2", "int4", "int8", "float4", "float8", "decimal", "text", "date", "timestamp", "timestamptz", "time", "bytea"}
)

EXTRACT_FIELDS = {
    "year": "(CASE WHEN year({0}) <= 0 THEN year({0}) - 1 ELSE year({0}) END)",  # DuckDB has a year 0
    "month": "month({0})",
    "day": "day({0})",
    "quarter": "quarter({0})",
    "dow": "dayofweek({0})",
    "isodow": "isodow({0})",
    "doy": "dayofyear({0})",
    "week": "week({0})",
    "hour": "hour({0})",
    "minute": "minute({0})",
}
"""PostgreSQL's extract gives a numeric with scale 0 for these."""

TRUNCATED_UNITS = frozenset({"year", "quarter", "month", "week", "day", "hour", "minute", "second"})

_FINITE = "(CASE WHEN isinf(%s({0})) AND NOT bool_or(isinf({0})) THEN error('value out of range: overflow') ELSE %s({0}) END)"

_AVERAGE = (
    "(CASE WHEN count({0}){over} > 0"
    " THEN {{'s': CAST(sum({0}){over} AS DECIMAL(38,{scale})), 'n': CAST(count({0}){over} AS DECIMAL(38,0))}} END)"
)

AGGREGATES: dict[tuple[str, str], tuple[str, str]] = {
    ("count", "any"): ("int8", "count({0}){over}"),
    ("sum", "int2"): ("int8", "CAST(sum({0}){over} AS BIGINT)"),
    ("sum", "int4"): ("int8", "CAST(sum({0}){over} AS BIGINT)"),
    ("sum", "int8"): ("sum", "CAST(sum({0}){over} AS {type})"),
    ("sum", "decimal"): ("sum", "CAST(sum({0}){over} AS {type})"),
    ("sum", "float8"): ("float8", _FINITE % ("sum", "sum")),
    ("avg", "float8"): ("float8", _FINITE % ("avg", "avg")),
    **{("avg", kind): ("quotient", _AVERAGE) for kind in ("int2", "int4", "int8", "decimal")},
    ("logicaland", "bool"): ("bool", "bool_and({0}){over}"),
    ("logicalor", "bool"): ("bool", "bool_or({0}){over}"),
}
"""(aggregate, kind) → (result, rendering). Sums of doubles depend on the order of rows, in PostgreSQL as here.
avg of integers and numerics: see quotients.py.
``{over}`` is where a window goes; without it the aggregate is refused as a window function and with DISTINCT."""

EXTREMES = COMPARABLE - {"bool", "bytea"}
"""Kinds of min and max: the type stays, without its modifier."""

VALUE_WINDOWS = {"lag": "lag", "lead": "lead", "firstvalue": "first_value", "lastvalue": "last_value"}
"""Window functions that give one of their argument's values."""

WINDOW_FUNCTIONS = {"rownumber": ("int8", "row_number()"), "rank": ("int8", "rank()"), "denserank": ("int8", "dense_rank()")}

CASTS: dict[tuple[str, str], str] = {
    **{(a, b): "CAST({0} AS {type})" for a in ("int2", "int4", "int8") for b in ("int2", "int4", "int8", "float8", "decimal", "text")},
    **{("float8", b): "CAST({0} AS {type})" for b in ("int2", "int4", "int8", "float8")},
    **{("decimal", b): "CAST({0} AS {type})" for b in ("int2", "int4", "int8", "decimal")},
    # DuckDB writes a DECIMAL(n,n) without its leading zero
    ("decimal", "text"): r"regexp_replace(CAST({0} AS VARCHAR), '^(-?)[.]', '\10.')",
    ("float4", "float8"): "CAST({0} AS {type})",
    ("text", "text"): "{0}",
    ("bool", "text"): "CAST({0} AS VARCHAR)",
    ("bool", "bool"): "{0}",
    ("bool", "int4"): "CAST({0} AS INTEGER)",
    ("int4", "bool"): "CAST({0} AS BOOLEAN)",
    ("date", "date"): "{0}",
    ("date", "timestamp"): "CAST({0} AS TIMESTAMP)",
    ("timestamp", "timestamp"): "{0}",
    ("timestamp", "date"): "CAST({0} AS DATE)",
}
"""(from, to) → rendering; ties of doubles round to even, of decimals away from zero, in both engines."""
