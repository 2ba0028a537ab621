"""PostgreSQL's result types for sqlglot's annotator, where its own are those of another dialect or missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlglot import exp
from sqlglot.dialects.postgres import Postgres
from sqlglot.optimizer.annotate_types import TypeAnnotator

from virtualization.connectors.postgresql.functions import CLASSES, FIRST, called, known
from virtualization.connectors.postgresql.kinds import ZONED, Type, is_string, is_text, kind

_DEFAULT = Postgres.EXPRESSION_METADATA


def _typed(node: exp.Expr, of: exp.DType | None) -> exp.Expr:
    node.type = exp.DataType(this=of if of is not None else Type.UNKNOWN)
    return node


def _call(annotator: TypeAnnotator, node: exp.Expr) -> exp.Expr:
    """A function of the table."""
    name = called(node)
    row = known(name) if name is not None else None
    special = _SPECIAL.get(name or "")
    if special is not None:
        return _typed(node, special(node))
    if row is None or not row.gives:
        return _default(annotator, node)
    if row.gives == FIRST:
        arguments = [part for part in node.iter_expressions() if not isinstance(part, exp.Var)]
        first = arguments[0] if arguments else None
        return _typed(node, Type.TEXT if first is not None and is_string(first.unnest()) else kind(first))
    return _typed(node, Type(row.gives))


def _default(annotator: TypeAnnotator, node: exp.Expr) -> exp.Expr:
    spec = _DEFAULT.get(type(node)) if not isinstance(node, exp.Anonymous) else None
    if spec and spec.get("annotator"):
        spec["annotator"](annotator, node)
    elif spec and spec.get("returns"):
        _typed(node, spec["returns"])
    else:
        _typed(node, None)
    return node


def _truncated(node: exp.Expr) -> exp.DType | None:
    """date_trunc: of a date a timestamp with time zone."""
    value = node.this if not isinstance(node, exp.Anonymous) else (node.expressions[1:] or [None])[0]
    found = kind(value)
    return Type.TIMESTAMPTZ if found in ZONED | {Type.DATE} else found


def _at_zone(node: exp.Expr) -> exp.DType | None:
    value = node.this if isinstance(node, exp.AtTimeZone) else (node.expressions[1:] or [None])[0]
    found = kind(value)
    if found is None:
        return None
    return Type.TIMESTAMP if found in ZONED else Type.TIMESTAMPTZ


_SPECIAL: dict[str, Callable[[exp.Expr], exp.DType | None]] = {"date_trunc": _truncated, "timezone": _at_zone}


def _joined(annotator: TypeAnnotator, node: exp.Expr) -> exp.Expr:
    """``||`` is of texts where one side is; else of arrays, bytes, JSON."""
    parts = (node.args["this"], node.args["expression"])
    texts = any(is_text(part) for part in parts) or all(is_string(part.unnest()) for part in parts)
    return _typed(node, Type.TEXT if texts else None)


def _string(annotator: TypeAnnotator, node: exp.Expr) -> exp.Expr:
    return _typed(node, Type.TEXT)


def _inner(annotator: TypeAnnotator, node: exp.Expr) -> exp.Expr:
    return _typed(node, kind(node.this))


def _unknown(annotator: TypeAnnotator, node: exp.Expr) -> exp.Expr:
    return _typed(node, None)


METADATA: dict[Any, Any] = {
    **_DEFAULT,
    **{of: {"annotator": _call} for of in (*CLASSES, exp.Anonymous)},
    exp.DPipe: {"annotator": _joined},
    exp.ByteString: {"annotator": _string},
    exp.Filter: {"annotator": _inner},
    exp.Window: {"annotator": _inner},
    exp.Collate: {"annotator": _inner},
    exp.JSONExtractScalar: {"annotator": _string},
    exp.JSONBExtractScalar: {"annotator": _string},
    exp.Bracket: {"annotator": _unknown},
}
