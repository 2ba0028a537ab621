"""Two values side by side: brought to one type, or refused where Oracle compares by other rules."""

from __future__ import annotations

import datetime
from fractions import Fraction

from sqlglot import exp

from virtualization.connectors.oracle import literals
from virtualization.connectors.oracle.values import Value
from virtualization.refusal import refuse

EXACT_IN_DOUBLE = 2**53
EQUALITY, ORDER = "equality", "order"
_MOMENTS = ("date", "timestamp")
_CASES = "Compare without upper() or lower(), or with ASCII constants."


def pair(node: exp.Expr, left: Value, right: Value, how: str, *, positive: bool = False) -> tuple[Value, Value]:
    """Both as they stand beside each other. ``how``: ``equality`` or ``order``. ``positive``: unknown is as good as false here."""
    if "null" in (left.kind, right.kind):
        raise refuse(node, "type", "a comparison with NULL")
    left, right = _typed(node, left, right), _typed(node, right, left)
    for value, other in ((left, right), (right, left)):
        _check(node, value, other, how, positive)
    return _alike(node, left, right)


def _typed(node: exp.Expr, value: Value, other: Value) -> Value:
    """An untyped constant takes the other's type."""
    if value.kind != "unknown":
        return value
    text = value.literal or ""
    if other.kind in _MOMENTS:
        pg = "date" if other.kind == "date" else "timestamp without time zone"
        at = literals.moment(node, text)
        return literals.moment_value(at if pg != "date" else datetime.datetime.combine(at, datetime.time()), pg, other.remote)
    if other.kind == "timestamptz":
        raise refuse(node, "time_zone", "the constant is read in the session's time zone", "Use timestamp without time zone.")
    if other.kind == "number" and text.lstrip("-").isdigit() and len(text) < 19:
        made = literals.number(node, text.lstrip("-"))
        return made.but(text=f"({text})") if text.startswith("-") else made
    if other.kind in ("text", "character"):
        return value.but(pg=other.pg)
    raise refuse(node, "literal", "the constant's type is not known", "Cast it.")


def _check(node: exp.Expr, value: Value, other: Value, how: str, positive: bool) -> None:
    if value.kind == "text" and value.remote != "lob":
        _check_text(node, value, other, how, positive)
    elif value.kind == "character":
        if how == ORDER:
            raise refuse(node, "blank_padded", "blanks at the end count in the order of CHAR at the source")
        if value.remote:
            raise refuse(node, "text_order", "the column has a collation of its own")
        if value.literal is not None and not value.literal.rstrip(" "):
            raise refuse(node, "empty_string", "the empty text is NULL at the source")
    elif value.remote == "lob":
        raise refuse(node, "lob", "LOBs and bytes are not compared at the source")
    elif value.remote == "converted":
        raise refuse(node, "cast", "the two sides may convert the column differently", "Declare the column with the type it has there.")
    elif value.kind not in ("number", "double", "real", "date", "timestamp", "timestamptz", "boolean"):
        raise refuse(node, "type", f"{value.pg} is not compared at the source")


def _check_text(node: exp.Expr, value: Value, other: Value, how: str, positive: bool) -> None:
    if value.literal == "" or (value.empty and value.literal is None and not (positive and how == EQUALITY and other.literal)):
        # never true there, while '' = '' is true here
        raise refuse(node, "empty_string", "the empty text is NULL at the source")
    if value.remote in ("collated", "converted"):
        raise refuse(node, "text_order", "the column is not compared by its bytes")
    if value.remote == "folded" and not (how == EQUALITY and other.literal is not None and other.literal.isascii()):
        raise refuse(node, "character_classes", "which letters belong together is the source's own table", _CASES)
    if how == ORDER and value.remote == "national":
        raise refuse(node, "text_order", "the source orders texts of this character set otherwise", "A database in AL32UTF8, VARCHAR2.")
    if value.literal is not None and other.literal is not None:
        raise refuse(node, "blank_padded", "two constants are compared like CHAR")


def _alike(node: exp.Expr, left: Value, right: Value) -> tuple[Value, Value]:
    kinds = {left.kind, right.kind}
    if kinds <= {"number"} or kinds in ({"text"}, {"boolean"}, {"timestamptz"}):
        return left, right
    if kinds == {"character"}:
        return left, right
    if kinds <= {"double", "real", "number"}:
        return as_double(node, left), as_double(node, right)
    if kinds <= set(_MOMENTS):
        return beside(left, right), beside(right, left)
    if "timestamptz" in kinds:
        raise refuse(node, "time_zone", "the comparison depends on the session's time zone", "Use timestamp without time zone.")
    if kinds == {"character", "text"}:
        raise refuse(node, "blank_padded", "CHAR beside VARCHAR2 is compared with its blanks at the source")
    raise refuse(node, "type", f"{left.pg} and {right.pg} are not compared at the source")


def beside(value: Value, other: Value) -> Value:
    """A constant of date or time in the type that the other has at the source."""
    if value.literal is None:
        return value
    return literals.moment_value(datetime.datetime.fromisoformat(value.literal), value.pg, other.remote)


def as_double(node: exp.Expr, value: Value) -> Value:
    """As BINARY_DOUBLE, where nothing depends on how the source rounds."""
    if value.kind == "double":
        return value
    if value.kind == "real":
        return value.but(text=f"TO_BINARY_DOUBLE({value.text})", pg="double precision")
    if value.literal is not None and float(value.literal) == Fraction(value.literal):
        return value.but(text=f"TO_BINARY_DOUBLE({value.text})", pg="double precision")
    if value.is_integer and value.largest is not None and value.largest <= EXACT_IN_DOUBLE:
        return value.but(text=f"TO_BINARY_DOUBLE({value.text})", pg="double precision")
    raise refuse(node, "literal", "the number has no exact double, and the source may round it otherwise")


def grouped(node: exp.Expr, value: Value) -> None:
    """RefusedError where equal values are not the same ones at the source (GROUP BY, DISTINCT, set operations)."""
    if value.remote == "lob" or value.kind in ("bytes", "opaque"):
        raise refuse(node, "lob", "LOBs and bytes are not compared at the source")
    if value.remote in ("collated", "converted", "folded"):
        raise refuse(node, "text_order", "the value is not compared by its bytes")
    if value.empty:
        raise refuse(node, "empty_string", "the empty text is NULL at the source")


def ordered(node: exp.Expr, value: Value, utf8: bool) -> None:
    """RefusedError where the source sorts otherwise."""
    grouped(node, value)
    if value.kind == "character":
        raise refuse(node, "blank_padded", "blanks at the end count in the order of CHAR at the source")
    if value.kind in ("text", "unknown") and (value.remote or not utf8):
        raise refuse(node, "text_order", "the source orders texts of this character set otherwise", "A database in AL32UTF8, VARCHAR2.")
