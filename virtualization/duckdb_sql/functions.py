"""Casts, arithmetic and the functions whose rules need more than a line of the allow list."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlglot import exp

from virtualization.duckdb_sql import allowed, small_decimals
from virtualization.duckdb_sql.expressions import Expressions, Scope, only, refuse
from virtualization.duckdb_sql.kinds import (
    DATE,
    INTEGERS,
    MAX_PRECISION,
    SMALL_PRECISION,
    TEXT,
    Kind,
    as_decimal,
    common_decimal,
    decimal,
    kind_of_text,
    literal_decimal,
)
from virtualization.duckdb_sql.literals import Value, quoted, take_kind
from virtualization.errors import DefinitionError


class Functions(Expressions):
    """Expressions with casts, arithmetic and functions."""

    def _cast(self, node: exp.Cast, scope: Scope) -> Value:
        only(node, "this", "to")
        text = node.to.sql("postgres")
        try:
            to = kind_of_text(text)
        except DefinitionError:
            return refuse(node, "type", f"type {text} is not on DuckDB's allow list")
        value = self.value(node.this, scope)
        if value.kind.name == "unknown" and value.literal is not None and to.name not in ("decimal", "opaque"):
            sql = None if to.pg.startswith("character varying(") else take_kind(value.literal, to)
            return Value(sql, to) if sql is not None else refuse(node, "literal", f"this constant as {to.pg} is not on DuckDB's allow list")
        if value.kind.name == "unknown" and value.literal is None and to.name != "opaque":
            return Value(f"CAST(NULL AS {to.duckdb})", to)
        if to.pg == "numeric" and value.kind.name in (*INTEGERS, "decimal"):
            to = _decimal_of(value).plain
            if value.literal is not None:  # 2::numeric is a constant like 2
                return Value(f"CAST({quoted(value.literal)} AS {to.duckdb})", to, value.literal)
        return self._cast_value(node, value, to)

    def _cast_value(self, node: exp.Expr, value: Value, to: Kind) -> Value:
        if to.name == "float8" and value.kind.name == "decimal":
            return self._widened(node, value, to)
        render = allowed.CASTS.get((value.kind.name, to.name))
        if render is None or to.pg.startswith(("timestamp(", "time(")):
            refuse(node, "cast", f"casting {value.kind.pg} to {to.pg} is not on DuckDB's allow list")
        self.used.add((value.kind.name, to.name))
        sql = render.format(value.sql, type=to.duckdb)
        if to.pg.startswith("character varying("):
            sql = f"left({sql}, {to.pg[18:-1]})" if value.kind.name == "text" else refuse(node, "cast", "the length may not suffice")
        return Value(sql, to)

    def _substring(self, node: exp.Substring, scope: Scope) -> Value:
        only(node, "this", "start", "length")
        text = self.typed(node.this, scope)
        numbers = [node.args.get("start"), node.args.get("length")]
        for least, item in zip((1, 0), numbers, strict=True):
            plain = item is None or (isinstance(item, exp.Literal) and item.name.isdigit() and least <= int(item.name) < 2**31)
            if not plain or text.kind.name != "text" or numbers[0] is None:
                refuse(node, "substring", "only constant places from 1 on mean the same in DuckDB")
        places = ", ".join(str(int(item.name)) for item in numbers if item is not None)
        return Value(f"substring({text.sql}, {places})", TEXT)

    def _left(self, node: Any, scope: Scope) -> Value:  # noqa: ANN401 Left or Right
        only(node, "this", "expression")
        text, count = self.typed(node.this, scope), node.expression
        if text.kind.name != "text" or not isinstance(count, exp.Literal) or not count.name.isdigit() or int(count.name) >= 2**31:
            refuse(node, "substring", "only constant lengths mean the same in DuckDB")
        return Value(f"{type(node).__name__.lower()}({text.sql}, {int(count.name)})", TEXT)

    _right = _left

    def _extract(self, node: exp.Extract, scope: Scope) -> Value:
        only(node, "this", "expression")
        unit = node.this.name.lower()
        value = self.typed(node.expression, scope)
        render = allowed.EXTRACT_FIELDS.get(unit)
        if render is None or value.kind.name not in ("date", "timestamp") or (value.kind.name == "date" and unit in ("hour", "minute")):
            refuse(node, "extract", f"extract({unit} from {value.kind.pg}) is not on DuckDB's allow list")
        self.used.add(("extract", unit))
        whole = (
            f"(CASE WHEN isinf({value.sql}) THEN error('parts of an infinite date are not supported') ELSE {render.format(value.sql)} END)"
        )
        return Value(f"CAST({whole} AS DECIMAL(18,0))", Kind("decimal", "numeric", 18, 0))

    def _timestamptrunc(self, node: exp.TimestampTrunc, scope: Scope) -> Value:
        only(node, "this", "unit")
        value, unit = self.typed(node.this, scope), node.args["unit"].name.lower()
        if value.kind.name != "timestamp" or unit not in allowed.TRUNCATED_UNITS:
            refuse(node, "date_trunc", f"date_trunc('{unit}', {value.kind.pg}) is not on DuckDB's allow list")
        self.used.add(("date_trunc", unit))
        sql = f"(CASE WHEN isinf({value.sql}) THEN {value.sql} ELSE CAST(date_trunc('{unit}', {value.sql}) AS TIMESTAMP) END)"
        return Value(sql, value.kind)

    def _round(self, node: exp.Round, scope: Scope) -> Value:
        only(node, "this", "decimals")
        value, places = self.typed(node.this, scope), node.args.get("decimals")
        if value.kind.name == "quotient" and value.kind.places is None:
            return Value(value.sql, replace(value.kind, places=_constant_places(node, places)))
        if places is None:
            return self._line(node, [value])
        if (
            value.kind.name != "decimal"
            or not isinstance(places, exp.Literal)
            or not places.name.isdigit()
            or int(places.name) > value.kind.scale
        ):
            refuse(node, "round", "only numerics rounded to a constant number of the places they have mean the same in DuckDB")
        kind = decimal(value.kind.precision + 1, int(places.name))
        if kind is None:
            refuse(node, "precision", "DuckDB's decimals have 38 digits")
        return Value(f"CAST({value.sql} AS {kind.duckdb})", kind)

    def _trim(self, node: exp.Trim, scope: Scope) -> Value:
        only(node, "this", "position")
        position = str(node.args.get("position") or "").upper()
        name = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(position, "trim")
        return self._line(node, [self.typed(node.this, scope)], name)

    def _mul(self, node: Any, scope: Scope) -> Value:  # noqa: ANN401 any arithmetic node
        """Arithmetic: both operands are brought to PostgreSQL's operator first."""
        only(node, "this", "expression")
        left, right = self.value(node.this, scope), self.value(node.expression, scope)
        if left.kind.name == "date" and isinstance(node, exp.Add | exp.Sub):
            if right.kind.name == "unknown":
                right = self.coerce(node, right, DATE)
            return self._line(node, [left, right])
        if left.kind.name == "unknown":
            left = self.coerce(node, left, right.kind)
        if right.kind.name == "unknown":
            right = self.coerce(node, right, left.kind)
        names = {left.kind.name, right.kind.name}
        if "decimal" in names and names <= {*INTEGERS, "decimal"}:
            return self._decimal_arithmetic(node, left, right)
        if names == {"float4"} or "opaque" in names or "text" in names:
            refuse(node, "type", "arithmetic over this type is not on DuckDB's allow list")
        values, _ = self.same_kind(node, [left, right], keep_scale=False)
        return self._line(node, values)

    _add = _sub = _div = _mod = _mul

    def _decimal_arithmetic(self, node: exp.Expr, left: Value, right: Value) -> Value:
        """The scale grows as PostgreSQL's does; quotients are refused: PostgreSQL chooses their digits by the value."""
        a, b = _decimal_of(left), _decimal_of(right)
        word = {"add": "+", "sub": "-", "mul": "*"}.get(type(node).__name__.lower())
        if word is None and isinstance(node, exp.Div) and node.find(exp.AggFunc) and not node.find(exp.Window):
            return _quotient(left, right, a, b)
        if word is None:
            refuse(node, "numeric_division", "PostgreSQL chooses the digits of a numeric quotient by its value")
        self.used.add(("decimal", word))
        kind = decimal(a.precision + b.precision, a.scale + b.scale) if word == "*" else common_decimal(a, b, 1)
        if kind is None:
            refuse(node, "precision", "the result may need more than the 38 digits of DuckDB's decimals")
        # a digit less in small ones: DuckDB adds that digit itself, and then has nothing to check
        equal = Kind("decimal", kind.pg, kind.precision - 1, kind.scale) if kind.precision <= SMALL_PRECISION else kind
        to = (a.duckdb, b.duckdb) if word == "*" else (equal.duckdb, equal.duckdb)
        if word == "*" and max(a.precision, b.precision) <= SMALL_PRECISION < kind.precision:
            to = (small_decimals.marked(a), b.duckdb)
        sides = [f"CAST({value.sql} AS {of})" for value, of in zip((left, right), to, strict=True)]
        bare = f"({sides[0]} {word} {sides[1]})" if word == "*" else None
        return Value(f"CAST({sides[0]} {word} {sides[1]} AS {kind.duckdb})", kind, bare=bare)


def _constant_places(node: exp.Expr, places: exp.Expr | None) -> int:
    if places is None:
        return 0
    if not isinstance(places, exp.Literal) or not places.name.isdigit() or int(places.name) > MAX_PRECISION:
        refuse(node, "round", "only constant numbers of places are on DuckDB's allow list")
    return int(places.name)


def _quotient(left: Value, right: Value, a: Kind, b: Kind) -> Value:
    """A quotient of aggregates: few rows, whose digits are found afterwards."""
    kind = Kind("quotient", "numeric", MAX_PRECISION, a.scale, b.scale)
    parts = f"{{'s': CAST({left.sql} AS DECIMAL(38,{a.scale})), 'n': CAST({right.sql} AS DECIMAL(38,{b.scale}))}}"
    zero = f"{right.sql} = 0 AND {left.sql} IS NOT NULL"  # NULL / 0 is NULL
    known = f"{left.sql} IS NOT NULL AND {right.sql} IS NOT NULL"
    return Value(f"(CASE WHEN {zero} THEN error('division by zero') WHEN {known} THEN {parts} END)", kind)


def _decimal_of(value: Value) -> Kind:
    """The decimal that holds a value: a constant needs its own digits only."""
    narrow = literal_decimal(value.literal) if value.literal is not None and value.kind.name in INTEGERS else None
    return narrow or as_decimal(value.kind)
