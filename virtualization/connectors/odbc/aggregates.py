"""Aggregates and window functions whose results are PostgreSQL's to the last digit at the source."""

from __future__ import annotations

from sqlglot import exp

from virtualization.connectors.odbc.constants import is_constant, whole_number
from virtualization.connectors.odbc.expressions import Expressions, Handler
from virtualization.connectors.odbc.ordering import order_keys
from virtualization.connectors.odbc.values import INTEGERS, Digits, Operand, integer, made
from virtualization.node_parts import check
from virtualization.refusal import refuse

_SIMPLE = frozenset({"this", "big_int"})
_MOST_ROWS_DIGITS = 12
"""A sum has at most so many digits more than what is summed."""
_NUMBERING: dict[type[exp.Expr], str] = {exp.RowNumber: "ROW_NUMBER()", exp.Rank: "RANK()", exp.DenseRank: "DENSE_RANK()"}


def is_aggregated(node: exp.Expr) -> bool:
    """Does it look at groups of rows? Aggregates of sub-queries are theirs, and those of windows look at single rows."""
    if isinstance(node, exp.Query):
        return False
    if isinstance(node, exp.Window):
        inner = node.this.this if isinstance(node.this, exp.Filter) else node.this
        return any(is_aggregated(part) for part in (*inner.iter_expressions(), *(p for p in node.iter_expressions() if p is not node.this)))
    return isinstance(node, exp.AggFunc) or any(is_aggregated(part) for part in node.iter_expressions())


def aggregate(made_by: Expressions, node: exp.Expr) -> Operand:
    """Over groups. RefusedError for one that is not exactly PostgreSQL's there."""
    if made_by.rows is None:
        raise refuse(node, "aggregate", "no groups here")
    if isinstance(node, exp.Filter):
        return _called(made_by.rows, node.this, made_by.rows.conditions.sql(node.expression.this))
    return _called(made_by.rows, node, None)


def _called(rows: Expressions, node: exp.Expr, where: str | None) -> Operand:
    if any(value for name, value in node.args.items() if name not in _SIMPLE):
        raise refuse(node, "aggregate", "this form of the aggregate")
    if isinstance(node, exp.Count):
        return _count(rows, node, where)
    if not isinstance(node, exp.Sum | exp.Min | exp.Max | exp.Avg) or isinstance(node.this, exp.Distinct):
        raise refuse(node, "aggregate", "this aggregate is not on the connector's list")
    value = rows.operand(node.this)
    if isinstance(node, exp.Min | exp.Max):
        return _extreme(rows, node, value, where)
    return _sum(rows, node, value, where)


def _filtered(sql: str, where: str | None) -> str:
    return sql if where is None else f"CASE WHEN {where} THEN {sql} END"


def _count(rows: Expressions, node: exp.Expr, where: str | None) -> Operand:
    argument, counted = node.this, rows.known.counted
    if isinstance(argument, exp.Star) or (is_constant(argument) and not isinstance(argument.unnest(), exp.Null)):
        sql = counted.format("*" if where is None else _filtered("1", where))
    elif not isinstance(argument, exp.Distinct):
        value = rows.resolve(argument.unnest())
        if value is None:
            raise refuse(node, "aggregate", "a count of NULL")
        sql = counted.format(_filtered(value.exact if value.why_not is None or value.plain is None else value.plain, where))
    else:
        if len(argument.expressions) != 1 or argument.args.get("on"):
            raise refuse(node, "aggregate", "DISTINCT inside this aggregate")
        value = rows.operand(argument.expressions[0])
        if not value.form.groups:
            raise refuse(node, "type", "which values are the same is not the same at the source")
        sql = counted.format(f"DISTINCT {_filtered(value.exact, where)}")
    return integer(sql, "bigint", INTEGERS["bigint"], rows.known)


def _extreme(rows: Expressions, node: exp.Expr, value: Operand, where: str | None) -> Operand:
    if value.family in ("boolean", "double") or not value.form.orders:  # 0 and -0
        raise refuse(node, "aggregate", f"the least and greatest {value.of.text} are not the same at the source")
    of = {"decimal": "numeric", "text": "text"}.get(value.family, value.of.text)
    return made(
        f"{'MIN' if isinstance(node, exp.Min) else 'MAX'}({_filtered(value.exact, where)})", of, value.family, rows.known, value.digits
    )


def _sum(rows: Expressions, node: exp.Expr, value: Operand, where: str | None) -> Operand:
    known = rows.known
    if value.family == "double":
        raise refuse(
            node, "double_order", "the last digits of a sum of doubles depend on the order of work", "Declare the column numeric(p,s)."
        )
    if value.family not in known.sums:
        raise refuse(node, "aggregate", f"sums of {value.of.text} are not exact at this source")
    if isinstance(node, exp.Avg):
        if not known.averages:
            raise refuse(node, "aggregate", "the source divides to other digits")
        return made(f"AVG({_filtered(value.exact, where)})", "numeric", "decimal", known)
    sql = known.sums[value.family].format(_filtered(value.exact, where))
    if value.of.name in ("smallint", "integer"):
        return integer(sql, "bigint", INTEGERS["bigint"], known)
    if value.family == "integer" and not known.wide_sums:
        raise refuse(node, "aggregate", "a sum of bigint may be more than the source's integers hold", "Declare the column integer.")
    digits = None if value.digits is None else Digits(value.digits.whole + _MOST_ROWS_DIGITS, value.digits.scale)
    if digits is not None and known.most_digits and digits.whole + digits.scale > known.most_digits:
        raise refuse(node, "precision", f"the sum may need more than {known.most_digits} digits", "Declare the column numeric(15,2).")
    return made(sql, "numeric", "decimal", known, digits)


def window(made_by: Expressions, node: exp.Expr) -> Operand:
    """``… OVER (PARTITION BY … ORDER BY … ROWS …)``"""
    known, order, spec = made_by.known, node.args.get("order"), node.args.get("spec")
    if not known.windows:
        raise refuse(node, "window", "window functions are not known to be the same at this source")
    for part in (node.this, spec):
        if part is not None:
            check(part)
    if order is None and not isinstance(node.this, exp.Count | exp.Sum | exp.Min | exp.Max):
        raise refuse(node, "window_order", "numbering rows without ORDER BY depends on the engine", "Add ORDER BY to the window.")
    value = _over(made_by, node.this)
    parts = [f"PARTITION BY {', '.join(_partition(made_by, node, key) for key in node.args['partition_by'])}"] if node.args.get(
        "partition_by"
    ) else []  # fmt: skip
    if order is not None:
        parts.append(f"ORDER BY {', '.join(order_keys(made_by, order.expressions))}")
    if spec is not None:
        parts.append(_frame(spec))
    return value.computed(f"{value.value} OVER ({' '.join(parts)})")


def _partition(made_by: Expressions, node: exp.Expr, key: exp.Expr) -> str:
    value = made_by.operand(key)
    if not value.form.groups or is_constant(key):
        raise refuse(node, "type", f"groups by values that are {value.of.text}", "Declare the column numeric(p,s).")
    return value.exact


def _over(made_by: Expressions, node: exp.Expr) -> Operand:
    known = made_by.known
    if type(node) in _NUMBERING and not node.expressions:
        sql = _NUMBERING[type(node)]
        return integer(sql, "bigint", INTEGERS["bigint"], known)
    if isinstance(node, exp.Lag | exp.Lead) and node.args.get("default") is None:
        value, steps = made_by.operand(node.this), 1 if node.args.get("offset") is None else whole_number(node.args["offset"])
        if steps is None or steps < 0 or (value.family == "text" and not value.form.groups):
            raise refuse(node, "window", "this form of lag or lead")
        sql = f"{'LAG' if isinstance(node, exp.Lag) else 'LEAD'}({value.value}, {steps})"
        of = value.of if value.family != "decimal" else made("", "numeric", "decimal", known).of
        return value.but(value=sql, plain=None, of=of, untyped=False)
    if isinstance(node, exp.Count) and isinstance(node.this, exp.Distinct):
        raise refuse(node, "window", "DISTINCT inside a window")
    if isinstance(node, exp.Count | exp.Sum | exp.Min | exp.Max):
        return _called(made_by, node, None)
    raise refuse(node, "window", "this window function")


def _frame(spec: exp.Expr) -> str:
    if str(spec.args.get("kind") or "").upper() != "ROWS":
        raise refuse(spec, "window", "only frames of rows are sent")
    return f"ROWS BETWEEN {_end(spec, 'start')} AND {_end(spec, 'end')}"


def _end(spec: exp.Expr, name: str) -> str:
    given, side = spec.args.get(name), str(spec.args.get(f"{name}_side") or "").upper()
    if given is None:
        return "CURRENT ROW"
    if isinstance(given, str) and given.upper() in ("UNBOUNDED", "CURRENT ROW"):
        return f"{given.upper()} {side}".strip()
    rows = whole_number(given) if isinstance(given, exp.Expr) else None
    if rows is None or rows < 0:
        raise refuse(spec, "window", "only frames with constant ends are sent")
    return f"{rows} {side}"


HANDLERS: dict[type[exp.Expr], Handler] = {
    **dict.fromkeys((exp.Count, exp.Sum, exp.Min, exp.Max, exp.Avg, exp.Filter), aggregate), exp.Window: window,
}  # fmt: skip
