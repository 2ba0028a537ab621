"""CASE, COALESCE, NULLIF, and casts."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from virtualization.binding.datatypes import type_name
from virtualization.connectors.odbc import arithmetic
from virtualization.connectors.odbc.expressions import Expressions, Handler
from virtualization.connectors.odbc.values import INTEGERS, Digits, Operand, digits_of, integer, made
from virtualization.node_parts import asked_for_types
from virtualization.refusal import refuse
from virtualization.types import PgType, common_text, pg_type


def cases(made_by: Expressions, node: exp.Expr) -> Operand:
    """CASE, also with an operand."""
    operand, branches, default = node.this, node.args["ifs"], node.args.get("default")
    conditions = [exp.EQ(this=operand.copy(), expression=one.this.copy()) if operand is not None else one.this for one in branches]
    results = [one.args["true"] for one in branches] + ([default] if default is not None else [])
    texts, shape = unified(made_by, node, results)
    parts = [f"WHEN {made_by.conditions.sql(condition)} THEN {text}" for condition, text in zip(conditions, texts, strict=False)]
    if default is not None:
        parts.append(f"ELSE {texts[-1]}")
    return shape.computed(f"CASE {' '.join(parts)} END")


def coalesced(made_by: Expressions, node: exp.Expr) -> Operand:
    """The first one that is not NULL."""
    texts, shape = unified(made_by, node, [node.this, *node.expressions])
    return shape.computed(f"COALESCE({', '.join(texts)})") if len(texts) > 1 else shape.computed(texts[0])


def nulled(made_by: Expressions, node: exp.Expr) -> Operand:
    """NULLIF, as a CASE."""
    equal = made_by.conditions.sql(exp.EQ(this=node.this.copy(), expression=node.expression.copy()))
    texts, shape = unified(made_by, node, [node.this])
    return shape.computed(f"CASE WHEN {equal} THEN NULL ELSE {texts[0]} END")


def unified(made_by: Expressions, node: exp.Expr, parts: Sequence[exp.Expr]) -> tuple[list[str], Operand]:
    """SQL of several branches of one expression, and what all of them are."""
    values = [made_by.operand(part) if not isinstance(part.unnest(), exp.Null) else None for part in parts]
    found = [value for value in values if value is not None]
    if not found:
        raise refuse(node, "type", "NULL without a type")
    shape = together(node, found)
    return ["NULL" if value is None else united(node, value) for value in values], shape


def together(node: exp.Expr, found: Sequence[Operand]) -> Operand:
    """What values of several branches are; its SQL is the first one's."""
    typed = [value for value in found if not value.untyped] or list(found)
    families, types = {value.family for value in typed}, {value.of.text for value in typed}
    if len(families) > 1 or (len(typed) < len(found) and families != {"text"}):
        raise refuse(node, "type", "the branches have different types", "Cast them to one type.")
    if families in ({"integer"}, {"decimal"}):
        return _numbers(node, typed)
    shape = typed[0]
    if families == {"text"}:
        of = common_text([value.of for value in asked_for_types(node, found) if not value.untyped or value is shape])
        return shape.but(of=of if len(typed) == len(found) else PgType(of.name, of.oid))
    if len(types) > 1:
        raise refuse(node, "type", "the branches have different types", "Cast them to one type.")
    return shape


def _numbers(node: exp.Expr, found: Sequence[Operand]) -> Operand:
    digits = [arithmetic.number(node, value)[1] for value in found]
    if len({one.scale for one in digits}) > 1:
        # PostgreSQL shows each value with the digits of its own branch, other products all with the same
        raise refuse(node, "scale", "numerics of different scales would be shown with the same one", "Cast them to one type.")
    whole = max(one.whole for one in digits)
    if found[0].family == "integer":
        widest = max(found, key=lambda value: INTEGERS[value.of.name])
        return widest.but(digits=Digits(whole, 0, max(one.largest or 0 for one in digits)))
    types = {value.of.text for value in found}
    return found[0].but(of=found[0].of if len(types) == 1 else pg_type("numeric"), digits=Digits(whole, digits[0].scale))


def united(node: exp.Expr, value: Operand) -> str:
    """Its SQL beside others: texts in the form in which they compare, because columns of different collations don't mix."""
    if value.family != "text":
        return value.value
    if not value.form.groups:
        raise refuse(node, "type", "texts of several columns are not put together at this source")
    return value.exact


def cast(made_by: Expressions, node: exp.Expr) -> Operand:
    """To another type, where both sides convert alike."""
    of = pg_type(type_name(node.args["to"]))
    value = made_by.operand(node.this)
    found = value.but(untyped=False) if value.of.text == of.text and not value.untyped else _converted(made_by, node, value, of)
    if found is None:
        raise refuse(node, "cast", "the two sides may convert it differently", "Declare the column with the type wanted.")
    return found


def _converted(made_by: Expressions, node: exp.Expr, value: Operand, of: PgType) -> Operand | None:
    if of.array or value.untyped:
        return None
    if value.family in ("integer", "decimal") and (of.name in INTEGERS or of.name == "numeric"):
        return _number(made_by, node, value, of)
    if value.family == "integer" and of.name == "text":
        return made(made_by.called(node, "integer_text", value.value), "text", "text", made_by.known)
    if value.family == "text" and of.text == "text":
        return value.but(of=of)
    if value.family == "date" and of.text == "timestamp without time zone":
        return made(made_by.called(node, "timestamp_of", value.value), of.text, "timestamp", made_by.known)
    if value.family == "timestamp" and of.name == "date":
        return made(made_by.called(node, "date_of", value.value), of.text, "date", made_by.known)
    return None


def _number(made_by: Expressions, node: exp.Expr, value: Operand, of: PgType) -> Operand | None:
    value, digits = arithmetic.number(node, value)
    if of.name in INTEGERS:
        largest = digits.largest if digits.largest is not None else 10**digits.whole
        if largest > INTEGERS[of.name]:
            raise refuse(node, "overflow", f"a value beyond {of.name} is an error here and maybe none there")
        if value.of.name in INTEGERS:
            narrows = INTEGERS[of.name] <= INTEGERS[value.of.name]
            sql = value.value if narrows else made_by.called(node, of.name, value.value)
        else:
            sql = made_by.called(node, "whole", value.value)
        return integer(sql, of.name, largest, made_by.known)
    size = Digits(digits.whole, digits.scale)
    if of.text != "numeric" and digits_of(of) != size:
        return None
    sql = made_by.called(node, "numeric", value.value) if value.family == "integer" else value.value
    return made(sql, of.text, "decimal", made_by.known, size)


HANDLERS: dict[type[exp.Expr], Handler] = {exp.Case: cases, exp.Coalesce: coalesced, exp.Nullif: nulled, exp.Cast: cast}
