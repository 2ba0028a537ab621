"""CASE, COALESCE, NULLIF, and casts."""

from __future__ import annotations

import datetime

from sqlglot import exp

from virtualization.binding.datatypes import type_name
from virtualization.connectors.oracle import arithmetic, comparisons, literals
from virtualization.connectors.oracle.expressions import Expressions, Handler, unified
from virtualization.connectors.oracle.values import INTEGERS, MOST_DIGITS, Value
from virtualization.refusal import refuse
from virtualization.types import PgType, pg_type


def cases(made: Expressions, node: exp.Expr) -> Value:
    """CASE, also with an operand."""
    operand, branches = node.this, node.args["ifs"]
    conditions = [exp.EQ(this=operand.copy(), expression=one.this.copy()) if operand is not None else one.this for one in branches]
    default = node.args.get("default")
    results = [one.args["true"] for one in branches] + ([default] if default is not None else [])
    values, shape = unified(made, node, results)
    texts = [f"WHEN {made.condition(condition)} THEN {value.text}" for condition, value in zip(conditions, values, strict=False)]
    if default is not None:
        texts.append(f"ELSE {values[-1].text}")
    nullable = default is None or any(value.nullable for value in values)
    return _with(shape.but(nullable=nullable), f"CASE {' '.join(texts)} END")


def coalesced(made: Expressions, node: exp.Expr) -> Value:
    """The first one that is not NULL."""
    values, shape = unified(made, node, [node.this, *node.expressions])
    if shape.empty:
        raise refuse(node, "empty_string", "the empty text is NULL at the source")
    if len(values) == 1:
        return values[0]
    return _with(shape.but(nullable=all(value.nullable for value in values)), f"COALESCE({', '.join(value.text for value in values)})")


def nulled(made: Expressions, node: exp.Expr) -> Value:
    """NULLIF, as a CASE: Oracle's own takes no constant NULL and other types."""
    value = made.told(node.this)
    left, right = comparisons.pair(node, value, made.value(node.expression), comparisons.EQUALITY)
    if value.remote in ("lob", "folded"):
        raise refuse(node, "type", "NULLIF is sent for plain values")
    return _with(
        value.but(nullable=True, literal=None, column=False), f"CASE WHEN {left.text} = {right.text} THEN NULL ELSE {value.text} END"
    )


def _with(shape: Value, text: str) -> Value:
    return shape.but(text=text, condition=f"({text} = 1)" if shape.kind == "boolean" else None)


def cast(made: Expressions, node: exp.Expr) -> Value:
    """To another type, where both sides convert alike."""
    of = pg_type(type_name(node.args["to"]))
    inner = node.this
    if isinstance(inner, exp.Null):
        return _null(node, of)
    value = made.value(inner)
    if value.kind == "unknown":
        return _constant(node, value, of)
    found = None if of.array else _converted(made, node, value, of)
    if found is None:
        raise refuse(node, "cast", "the two sides may convert it differently", "Declare the column with the type wanted.")
    return found


def _null(node: exp.Expr, of: PgType) -> Value:
    types = {"text": "VARCHAR2(1)", "character varying": "VARCHAR2(1)", "date": "DATE", "timestamp without time zone": "TIMESTAMP"}
    types |= dict.fromkeys((*INTEGERS, "numeric"), "NUMBER")
    if of.array or of.name not in types:
        raise refuse(node, "cast", "a NULL of this type is not sent")
    number = of.name in INTEGERS or of.name == "numeric"
    remote = {"DATE": "date", "TIMESTAMP": "timestamp"}.get(types[of.name], "")
    return Value(f"CAST(NULL AS {types[of.name]})", of.text, 1 if number else None, 0 if number else None, remote=remote)


def _constant(node: exp.Expr, value: Value, of: PgType) -> Value:
    text = value.literal or ""
    if of.name in ("date", "timestamp without time zone") and of.typmod < 0:
        at = literals.moment(node, text)
        at = datetime.datetime.combine(at, datetime.time()) if of.name == "date" else at
        return literals.moment_value(at, of.text, "date")
    if of.name in ("text", "character varying") and of.typmod < 0:
        return literals.as_text(value).but(literal=text, text=value.text)
    if of.name in INTEGERS and text.isdigit() and int(text) <= INTEGERS[of.name]:
        return literals.number(node, text).but(pg=of.name)
    shape = of.precision_and_scale
    if of.name == "numeric" and text.replace(".", "", 1).isdigit():
        made = literals.number(node, text)
        if shape is None:
            return made.but(pg="numeric")
        if literals.fits(text, shape[0] - shape[1], shape[1]):
            return made.but(pg=of.text, scale=shape[1])
    raise refuse(node, "literal", "a constant that is not read the same on both sides for sure")


def _converted(made: Expressions, node: exp.Expr, value: Value, of: PgType) -> Value | None:
    if value.remote in ("lob", "converted", "folded"):
        return None
    if value.kind == "number":
        return _from_number(node, value, of)
    length = of.typmod - 4 if of.typmod >= 0 else None
    if value.kind == "text" and of.name in ("text", "character varying"):
        text = value.text if length is None else f"SUBSTR({value.text}, 1, {length})"
        return value.but(text=text, pg=of.text) if length is None or value.literal is None else None
    if value.kind == "date" and of.name in ("date", "timestamp without time zone") and of.typmod < 0:
        return value.but(pg=of.text)
    if value.kind == "timestamp" and of.typmod < 0 and value.literal is None:
        if of.name == "date":
            return value.but(text=f"TRUNC({value.text})", pg="date", remote="date", column=False)
        return value if of.name == "timestamp without time zone" else None
    if value.kind == "boolean":
        return value if of.name == "boolean" else Value(value.text, "integer", 1, 0, 1) if of.name == "integer" else None
    return value.but(pg=of.text) if value.pg == of.text else None


def _from_number(node: exp.Expr, value: Value, of: PgType) -> Value | None:
    if value.pg == of.text:
        return value
    if of.name in INTEGERS:
        return _to_integer(node, arithmetic.number(node, value), of.name)
    if of.name == "numeric":
        return _to_numeric(value, of)
    if of.name == "double precision":
        return comparisons.as_double(node, value).but(literal=None, column=False)
    if of.name == "text" and value.is_integer and value.literal is None:
        return Value(f"TO_CHAR({value.text}, 'TM9')", "text", nullable=value.nullable)
    return None


def _to_integer(node: exp.Expr, value: Value, name: str) -> Value | None:
    largest = value.largest if value.largest is not None else 10 ** (value.whole or 0)
    if largest > INTEGERS[name]:
        raise refuse(node, "overflow", f"a value beyond {name} is an error here and none there")
    text = f"ROUND({value.text})" if value.scale else value.text
    return value.but(text=text, pg=name, whole=len(str(largest)), scale=0, largest=largest, column=False)


def _to_numeric(value: Value, of: PgType) -> Value | None:
    shape = of.precision_and_scale
    if shape is None:
        return value.but(pg="numeric", largest=None)
    precision, scale = shape
    if precision > MOST_DIGITS or not 0 <= scale <= precision:
        return None
    return Value(f"CAST({value.text} AS NUMBER({precision},{scale}))", of.text, precision - scale, scale, nullable=value.nullable)


HANDLERS: dict[type[exp.Expr], Handler] = {exp.Case: cases, exp.Coalesce: coalesced, exp.Nullif: nulled, exp.Cast: cast}
