"""What is known of the type of an annotated expression: enough to tell texts, numbers, and what depends on a time zone."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

Type = exp.DType
TEXTS = frozenset({Type.TEXT, Type.VARCHAR, Type.BPCHAR, Type.CHAR, Type.NCHAR, Type.NVARCHAR, Type.NAME})
NUMBERS = frozenset({Type.SMALLINT, Type.INT, Type.BIGINT, Type.DECIMAL, Type.FLOAT, Type.DOUBLE})
WITHOUT_ZONE = frozenset({Type.DATE, Type.TIMESTAMP, Type.TIMESTAMPNTZ})
ZONED = frozenset({Type.TIMESTAMPTZ, Type.TIMESTAMPLTZ, Type.TIMETZ})


def kind(node: exp.Expr | None) -> exp.DType | None:
    """The type, or None where it is not known for sure."""
    while isinstance(node, exp.Paren):
        node = node.this
    if node is None or node.type is None or node.type.this in (Type.UNKNOWN, Type.NULL):
        return None
    found = node.type.this
    return found if isinstance(found, exp.DType) else None


def is_text(node: exp.Expr | None) -> bool:
    """Is it surely a text?"""
    return kind(node) in TEXTS


def is_string(node: exp.Expr | None) -> bool:
    """A string constant without a type of its own (``E'…'`` too): it takes the type of what stands beside it."""
    return (isinstance(node, exp.Literal) and node.is_string) or isinstance(node, exp.ByteString)


def orders_text(operands: Sequence[exp.Expr]) -> bool | None:
    """Does comparing these compare texts? None: not known."""
    told = [kind(part) for part in operands if not is_string(part.unnest())]
    if not told:
        return True
    if any(known is not None and known not in TEXTS for known in told):
        return False
    return None if None in told else True


def operands(node: exp.Expr) -> list[exp.Expr]:
    """What a comparison compares; of ``x > ALL (…)`` only ``x``, which says what the others are."""
    found = [part for name in ("this", "expression", "low", "high") if isinstance(part := node.args.get(name), exp.Expr)]
    return [part for part in found if not _of_list(part)] + list(node.args.get("expressions") or [])


def _of_list(part: exp.Expr) -> bool:
    return isinstance(part, exp.Any | exp.All) or (isinstance(part, exp.Anonymous) and str(part.this).lower() == "all")
