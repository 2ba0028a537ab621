"""Which predicates the file reader applies: comparisons of columns of one type, and with constants, whose meaning is the same in DuckDB.

Everything else stays above the scan. Texts compare by code point in both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from sqlglot import exp

from virtualization.plan import Kept
from virtualization.types import PgType

_LOGIC = (exp.And, exp.Or, exp.Not, exp.Paren)
_SIGNS: Mapping[type[exp.Expr], str] = {exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}
_UNDERSTOOD = frozenset({"this", "expression", "low", "high", "expressions", "negate", "quoted", "table"})
_INTEGERS = ("smallint", "integer", "bigint")
_ORDERED = (*_INTEGERS, "date", "timestamp without time zone", "text", "character varying")
_ISO_DATE = re.compile(r"^\d{4}-\d\d-\d\d$")
_ISO_TIMESTAMP = re.compile(r"^\d{4}-\d\d-\d\d( \d\d:\d\d(:\d\d(\.\d{1,6})?)?)?$")


def duckdb_predicate(predicate: exp.Expr, types: Mapping[str, PgType]) -> str | Kept:
    """DuckDB SQL over the table's columns, or why not."""
    made = _made(predicate, types)
    if made is None:
        return Kept(predicate.sql("postgres"), "not_on_list", "the file reader takes comparisons of columns and constants only")
    return made


def _made(node: exp.Expr, types: Mapping[str, PgType]) -> str | None:
    if any(value for name, value in node.args.items() if name not in _UNDERSTOOD):
        return None  # a flag of the parser that is not known here may turn the meaning round
    if isinstance(node, _LOGIC):
        parts = [_made(part, types) for part in (node.this, node.args.get("expression")) if part is not None]
        if None in parts:
            return None
        return f"(NOT {parts[0]})" if isinstance(node, exp.Not) else f"({_word(node).join(str(part) for part in parts)})"
    if isinstance(node, exp.Is):
        column = _column(node.this, types)
        if column is None or not isinstance(node.expression, exp.Null):
            return None
        return f"({column[0]} IS {'NOT ' if node.args.get('negate') else ''}NULL)"
    if type(node) in _SIGNS:
        return _comparison(node, types)
    if isinstance(node, (exp.Between, exp.In)) and node.args.get("negate"):
        return None
    if isinstance(node, exp.Between):
        return _with_constants(node.this, [node.args["low"], node.args["high"]], "{0} BETWEEN {1} AND {2}", types)
    if isinstance(node, exp.In) and node.expressions:
        return _with_constants(
            node.this, node.expressions, "{0} IN (" + ", ".join(f"{{{n + 1}}}" for n in range(len(node.expressions))) + ")", types
        )
    column = _column(node, types)
    return column[0] if column is not None and column[1].name == "boolean" else None


def _word(node: exp.Expr) -> str:
    return " AND " if isinstance(node, exp.And) else " OR "


def _comparison(node: exp.Expr, types: Mapping[str, PgType]) -> str | None:
    left, right = node.this, node.args["expression"]
    sign = _SIGNS[type(node)]
    if isinstance(left, exp.Column) and isinstance(right, exp.Column):
        return _of_columns(left, sign, right, types)
    if isinstance(left, exp.Column):
        return _with_constants(left, [right], f"{{0}} {sign} {{1}}", types)
    return _with_constants(right, [left], f"{{1}} {sign} {{0}}", types)


def _of_columns(left: exp.Column, sign: str, right: exp.Column, types: Mapping[str, PgType]) -> str | None:
    """Of one type, whose order is the same in both."""
    one, other = _column(left, types), _column(right, types)
    if one is None or other is None or one[1] != other[1] or one[1].name not in _ORDERED:
        return None
    return f"({one[0]} {sign} {other[0]})"


def _with_constants(node: exp.Expr, constants: list[exp.Expr], form: str, types: Mapping[str, PgType]) -> str | None:
    column = _column(node, types)
    if column is None:
        return None
    made = [_constant(constant, column[1]) for constant in constants]
    if any(part is None for part in made):
        return None
    return "(" + form.format(column[0], *made) + ")"


def _column(node: exp.Expr, types: Mapping[str, PgType]) -> tuple[str, PgType] | None:
    if not isinstance(node, exp.Column) or node.name not in types:
        return None
    return '"' + node.name.replace('"', '""') + '"', types[node.name]


def _constant(node: exp.Expr, of: PgType) -> str | None:
    """A constant that keeps its meaning beside a column of type ``of``."""
    if isinstance(node, exp.Cast):
        node = _uncast(node, of) or exp.Null()
    negative = isinstance(node, exp.Neg)
    value = node.this if negative else node
    if isinstance(value, exp.Boolean) and of.name == "boolean":
        return "true" if value.this else "false"
    if not isinstance(value, exp.Literal):
        return None
    if value.is_string:
        return None if negative else _string(value.name, of)
    return _number(("-" if negative else "") + value.name, of)


def _uncast(node: exp.Cast, of: PgType) -> exp.Expr | None:
    """The constant inside ``2::numeric`` or ``'2024-01-01'::date`` where the cast neither changes nor checks anything."""
    kinds = {
        "date": exp.DType.DATE,
        "timestamp without time zone": exp.DType.TIMESTAMP,
        "text": exp.DType.TEXT,
        "numeric": exp.DType.DECIMAL,
        "double precision": exp.DType.DOUBLE,
    }
    inner = node.this.unnest()
    return inner if kinds.get(of.name) == node.to.this and not node.to.expressions else None


def _string(text: str, of: PgType) -> str | None:
    shown = "'" + text.replace("'", "''") + "'"
    if of.name in ("text", "character varying"):
        return shown
    if of.name == "date" and _ISO_DATE.match(text):
        return f"CAST({shown} AS DATE)"
    if of.name == "timestamp without time zone" and _ISO_TIMESTAMP.match(text):
        return f"CAST({shown} AS TIMESTAMP)"
    return None  # character(n) ignores trailing spaces, timestamptz depends on the session's zone, others travel as text


def _number(text: str, of: PgType) -> str | None:
    digits = text.lstrip("-")
    if of.name in _INTEGERS:
        return text if digits.isdecimal() and len(digits) <= 18 else None  # DuckDB would compare as DECIMAL or DOUBLE
    if of.name in ("double precision", "real"):
        return f"CAST({text} AS DOUBLE)" if of.name == "double precision" else None
    shape = of.precision_and_scale
    if of.name != "numeric" or shape is None or of.travels_as_text or not re.fullmatch(r"\d{1,18}(\.\d{1,18})?", digits):
        return None
    whole, _, fraction = digits.partition(".")
    # a longer constant would be compared as a DECIMAL that may not hold the column's values
    return text if len(fraction) <= shape[1] and len(whole) <= shape[0] - shape[1] else None
