"""Aggregates and window functions whose results are PostgreSQL's to the last digit; the rest is refused.

An average is asked for as sum and count, and divided here: PostgreSQL and Oracle choose the digits of a quotient differently.
"""

from __future__ import annotations

from sqlglot import exp

from virtualization.connectors.oracle import arithmetic, comparisons, literals
from virtualization.connectors.oracle.expressions import Expressions, Handler
from virtualization.connectors.oracle.values import INTEGERS, MOST_DIGITS, Value, integer, plain
from virtualization.node_parts import check
from virtualization.refusal import refuse
from virtualization.types import PgType, pg_type

_MOST_ROWS_DIGITS = 12
"""A sum has at most so many digits more than what is summed."""


def counted(made: Expressions, node: exp.Expr, where: str | None = None) -> Value:
    """``count(*)``, ``count(x)``, ``count(DISTINCT x)``"""
    inner, distinct = _argument(node)
    if inner is None:
        text = "*" if where is None else f"CASE WHEN {where} THEN 1 END"
        return integer(f"COUNT({text})", "bigint", nullable=False)
    value = made.told(inner)
    comparisons.grouped(node, value)
    return integer(f"COUNT({distinct}{_filtered(value, where)})", "bigint", nullable=False)


def summed(made: Expressions, node: exp.Expr, where: str | None = None) -> Value:
    """Of integers and numerics."""
    inner, distinct = _argument(node)
    if inner is None:
        raise refuse(node, "aggregate", "no argument")
    value = made.value(inner)
    if value.kind in ("double", "real"):
        raise refuse(node, "double_order", "the last digits of a sum of doubles depend on the order of work", "Use numeric.")
    value = arithmetic.number(node, value)
    text = f"SUM({distinct}{_filtered(value, where)})"
    if value.pg in ("smallint", "integer"):
        return integer(text, "bigint")
    whole = (value.whole or 0) + _MOST_ROWS_DIGITS
    if whole + (value.scale or 0) > MOST_DIGITS:
        raise refuse(node, "precision", f"the sum may need more than {MOST_DIGITS} digits", "Declare the column numeric(15,2).")
    return Value(text, "numeric", whole, value.scale)


def averaged(made: Expressions, node: exp.Expr, where: str | None = None) -> tuple[Value, Value]:
    """Sum and count. The sum of what ``sum`` takes."""
    inner, distinct = _argument(node)
    dividend = summed(made, node, where)
    assert inner is not None
    count = integer(f"COUNT({distinct}{_filtered(made.value(inner), where)})", "bigint", nullable=False)
    return dividend.but(pg="numeric", whole=dividend.whole if dividend.largest is None else len(str(INTEGERS["bigint"]))), count


def _extreme(name: str) -> Handler:
    def made(made: Expressions, node: exp.Expr) -> Value:
        return _least_or_greatest(made, node, name, None)

    return made


def _least_or_greatest(made: Expressions, node: exp.Expr, name: str, where: str | None) -> Value:
    inner, _ = _argument(node)
    value = made.told(inner) if inner is not None and not node.expressions else None
    if value is None or value.kind in ("boolean", "bytes", "opaque", "null"):
        raise refuse(node, "aggregate", "of such values there is no least or greatest")
    comparisons.ordered(node, value, made.scope.utf8)
    return value.but(text=f"{name}({_filtered(value, where)})", pg=plain(value.pg), nullable=True, literal=None, column=False)


def _argument(node: exp.Expr) -> tuple[exp.Expr | None, str]:
    """The argument (None: ``*``) and ``DISTINCT`` where it is said."""
    if any(value for name, value in node.args.items() if name not in ("this", "big_int", "expressions")):
        raise refuse(node, "aggregate", "this form of an aggregate")
    inner = node.this
    if isinstance(inner, exp.Star):
        return None, ""
    if isinstance(inner, exp.Distinct):
        if len(inner.expressions) != 1:
            raise refuse(node, "several_distinct", "DISTINCT over several values at once", "Ask for one at a time.")
        return inner.expressions[0], "DISTINCT "
    return inner, ""


def _filtered(value: Value, where: str | None) -> str:
    return value.text if where is None else f"CASE WHEN {where} THEN {value.text} END"


def filtered(made: Expressions, node: exp.Expr) -> Value:
    """``FILTER (WHERE …)``: rows that don't count give NULL, which aggregates skip."""
    inner, where = node.this, made.condition(node.expression.this)
    if isinstance(inner, exp.Count):
        return counted(made, inner, where)
    if isinstance(inner, exp.Sum):
        return summed(made, inner, where)
    if isinstance(inner, exp.Min | exp.Max):
        return _least_or_greatest(made, inner, type(inner).__name__.upper(), where)
    raise refuse(node, "aggregate", "this aggregate with FILTER")


def window(made: Expressions, node: exp.Expr) -> Value:
    """``… OVER (PARTITION BY … ORDER BY … ROWS …)``"""
    order, inner = node.args.get("order"), node.this
    for part in (inner, node.args.get("spec")):
        if part is not None:
            check(part)
    if not isinstance(inner, exp.Count | exp.Sum | exp.Min | exp.Max) and order is None:
        raise refuse(node, "window_order", "numbering rows without ORDER BY depends on the engine", "Add ORDER BY to the window.")
    value = _window_function(made, inner)
    parts = []
    if node.args.get("partition_by"):
        keys = [made.told(key) for key in node.args["partition_by"]]
        for key in keys:
            comparisons.grouped(node, key)
        parts.append(f"PARTITION BY {', '.join(key.text for key in keys)}")
    if order is not None:
        parts.append(f"ORDER BY {', '.join(sorted_by(made, item, made.told(item.this)) for item in order.expressions)}")
    if node.args.get("spec") is not None:
        parts.append(_frame(node.args["spec"]))
    text = f"{value.text} OVER ({' '.join(parts)})"
    return value.but(text=text, condition=f"({text} = 1)" if value.kind == "boolean" else None, column=False)


def _window_function(made: Expressions, node: exp.Expr) -> Value:
    names: dict[type[exp.Expr], str] = {exp.RowNumber: "ROW_NUMBER", exp.Rank: "RANK", exp.DenseRank: "DENSE_RANK"}
    if type(node) in names and not node.expressions:
        return integer(f"{names[type(node)]}()", "bigint", nullable=False)
    if isinstance(node, exp.Count):
        return counted(made, node)
    if isinstance(node, exp.Sum):
        return summed(made, node)
    if isinstance(node, exp.Min | exp.Max):
        return _least_or_greatest(made, node, type(node).__name__.upper(), None)
    if isinstance(node, exp.Lag | exp.Lead) and node.args.get("default") is None:
        value, offset = made.told(node.this), node.args.get("offset")
        steps = 1 if offset is None else literals.whole_number(offset)
        if steps is None or steps < 0 or value.remote in ("lob", "folded"):
            raise refuse(node, "window", "this form of lag or lead")
        text = f"{type(node).__name__.upper()}({value.text}, {steps})"
        return value.but(text=text, pg=PgType(pg_type(value.pg).name, pg_type(value.pg).oid).text, nullable=True, literal=None)
    raise refuse(node, "window", "this window function")


def _frame(spec: exp.Expr) -> str:
    if str(spec.args.get("kind") or "").upper() != "ROWS":
        raise refuse(spec, "window", "only frames of rows are sent")
    ends = [_end(spec, "start"), _end(spec, "end")]
    return f"ROWS BETWEEN {ends[0]} AND {ends[1]}"


def _end(spec: exp.Expr, name: str) -> str:
    given, side = spec.args.get(name), str(spec.args.get(f"{name}_side") or "").upper()
    if given is None:
        return "CURRENT ROW"
    if isinstance(given, str) and given.upper() in ("UNBOUNDED", "CURRENT ROW"):
        return f"{given.upper()} {side}".strip()
    rows = literals.whole_number(given) if isinstance(given, exp.Expr) else None
    if rows is None or rows < 0:
        raise refuse(spec, "window", "only frames with constant ends are sent")
    return f"{rows} {side}"


def sorted_by(made: Expressions, item: exp.Expr, value: Value) -> str:
    """A key of ORDER BY. Where NULLs go is always said: Oracle's default is not PostgreSQL's in every case."""
    comparisons.ordered(item, value, made.scope.utf8)
    direction = "DESC" if item.args.get("desc") else "ASC"
    return f"{value.text} {direction} NULLS {'FIRST' if item.args.get('nulls_first') else 'LAST'}"


HANDLERS: dict[type[exp.Expr], Handler] = {
    exp.Count: counted, exp.Sum: summed, exp.Min: _extreme("MIN"), exp.Max: _extreme("MAX"), exp.Filter: filtered, exp.Window: window,
}  # fmt: skip
