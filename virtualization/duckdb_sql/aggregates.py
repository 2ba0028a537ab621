"""Aggregates and window functions of the residual."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlglot import exp

from virtualization.duckdb_sql import allowed
from virtualization.duckdb_sql.expressions import Scope, only, quotient_key, refuse
from virtualization.duckdb_sql.kinds import INT8, SIMPLE, Kind, sum_kind
from virtualization.duckdb_sql.literals import Value
from virtualization.duckdb_sql.predictions import Predictions

_SIDES = {"PRECEDING", "FOLLOWING", None}


class AllExpressions(Predictions):
    """Expressions with aggregates and windows."""

    def _count(self, node: exp.Count, scope: Scope) -> Value:
        return self._aggregate(node, scope, None, "")

    _sum = _avg = _min = _max = _logicaland = _logicalor = _count

    def _filter(self, node: exp.Filter, scope: Scope) -> Value:
        only(node, "this", "expression")
        if not isinstance(node.this, exp.AggFunc):
            refuse(node, "syntax", "FILTER over this is not on DuckDB's allow list")
        return self._aggregate(node.this, scope, self.condition(node.expression.this, scope), "")

    def _aggregate(self, node: exp.Expr, scope: Scope, condition: str | None, over: str) -> Value:
        only(node, "this")
        name = type(node).__name__.lower()
        argument, distinct = node.this, False
        if argument is None:  # percent_rank(), cume_dist()
            refuse(node, "aggregate", f"{name}() is not on DuckDB's allow list")
        if isinstance(argument, exp.Distinct):
            only(argument, "expressions")
            if len(argument.expressions) != 1:
                refuse(node, "syntax", "DISTINCT over several values is not on DuckDB's allow list")
            argument, distinct = argument.expressions[0], True
        rows = Value("*" if condition is None else "1", INT8)
        operand = rows if isinstance(argument, exp.Star) else self.typed(argument, scope)
        render, kind = self._aggregate_line(node, name, operand.kind)
        if (over or distinct) and "{over}" not in render:
            refuse(node, "double_order", "its last digits would depend on DuckDB's order of work")
        if distinct and operand.kind.name not in allowed.COMPARABLE:
            refuse(node, "type", "DISTINCT over this type is not on DuckDB's allow list")
        sql = operand.bare if operand.bare is not None and name == "sum" else operand.sql
        sql = sql if condition is None else f"CASE WHEN {condition} THEN {sql} END"
        return Value(render.format(f"DISTINCT {sql}" if distinct else sql, over=over, scale=kind.scale, type=kind.duckdb), kind)

    def _aggregate_line(self, node: exp.Expr, name: str, kind: Kind) -> tuple[str, Kind]:
        if name in ("min", "max"):
            if kind.name not in allowed.EXTREMES:
                refuse(node, "aggregate", f"{name}({kind.pg}) is not on DuckDB's allow list")
            self.used.add((name, kind.name))
            return f"{name}({{0}}){{over}}", kind.plain
        key = (name, "any" if name == "count" else kind.name)
        if key not in allowed.AGGREGATES:
            refuse(node, "aggregate", f"{name}({kind.pg}) is not on DuckDB's allow list")
        self.used.add(key)
        result, render = allowed.AGGREGATES[key]
        if result == "sum":
            return render, sum_kind(kind)
        if result == "quotient":
            return render, Kind("quotient", "numeric", 38, kind.scale)
        return render, SIMPLE[result]

    def _window(self, node: exp.Window, scope: Scope) -> Value:
        only(node, "this", "partition_by", "order", "spec", "over")
        function = node.this
        name = type(function).__name__.lower()
        if name in allowed.WINDOW_FUNCTIONS:
            only(function)
            if not node.args.get("order"):
                refuse(node, "window_order", "the numbering of rows without ORDER BY depends on the engine")
            self.used.add(name)
            result, call = allowed.WINDOW_FUNCTIONS[name]
            return Value(call + self._over(node, scope), SIMPLE[result])
        if name in allowed.VALUE_WINDOWS:
            return self._value_window(node, function, scope)
        if isinstance(function, exp.AggFunc):
            return self._aggregate(function, scope, None, self._over(node, scope))
        return refuse(node, "window", f"{name} as a window function is not on DuckDB's allow list")

    def _value_window(self, node: exp.Window, function: exp.Expr, scope: Scope) -> Value:
        only(function, "this", "offset")
        offset = function.args.get("offset")
        value = self.typed(function.this, scope)
        if offset is not None and not (isinstance(offset, exp.Literal) and offset.name.isdigit() and int(offset.name) < 2**31):
            refuse(node, "window", "only constant offsets are on DuckDB's allow list")
        name = type(function).__name__.lower()
        self.used.add(name)
        more = "" if offset is None else f", {int(offset.name)}"
        return Value(f"{allowed.VALUE_WINDOWS[name]}({value.sql}{more}){self._over(node, scope)}", value.kind.unmodified)

    def _over(self, node: exp.Window, scope: Scope) -> str:
        parts = []
        if node.args.get("partition_by"):
            keys = [self.key(item, scope) for item in node.args["partition_by"]]
            parts.append("PARTITION BY " + ", ".join(keys))
        if node.args.get("order"):
            parts.append(self.order(node.args["order"], scope, ordinals=0))
        if node.args.get("spec"):
            parts.append(self._frame(node, node.args["spec"]))
        return f" OVER ({' '.join(parts)})"

    def _frame(self, node: exp.Window, spec: exp.WindowSpec) -> str:
        only(spec, "kind", "start", "start_side", "end", "end_side")
        kind = str(spec.args.get("kind")).upper()
        if kind not in ("ROWS", "RANGE"):
            refuse(node, "window", "frames other than ROWS and RANGE are not on DuckDB's allow list")
        ends = [self._frame_end(node, kind, spec.args.get(end), spec.args.get(f"{end}_side")) for end in ("start", "end")]
        return f"{kind} BETWEEN {ends[0]} AND {ends[1]}"

    def _frame_end(self, node: exp.Window, kind: str, end: Any, side: str | None) -> str:  # noqa: ANN401 text or a node
        if end is None or end == "CURRENT ROW":
            return "CURRENT ROW"
        if end == "UNBOUNDED" and side in _SIDES:
            return f"UNBOUNDED {side}"
        if kind == "ROWS" and isinstance(end, exp.Literal) and end.name.isdigit() and int(end.name) < 2**31 and side in _SIDES:
            return f"{int(end.name)} {side}"
        return refuse(node, "window", "this frame is not on DuckDB's allow list")

    def key(self, node: exp.Expr, scope: Scope) -> str:
        """A value to group, partition or order by."""
        value = self.typed(node, scope)
        if value.kind.name == "quotient":
            return quotient_key(value)
        if value.kind.name not in allowed.COMPARABLE:
            refuse(node, "type", f"ordering or grouping by {value.kind.pg} is not on DuckDB's allow list")
        return value.sql

    def order(self, node: exp.Expr, scope: Scope, *, ordinals: int, outputs: Sequence[exp.Expr] = ()) -> str:
        """ORDER BY with explicit places of NULLs. ``ordinals``: how many outputs may be named by position; ``outputs``: they."""
        only(node, "expressions")
        items = []
        for item in node.expressions:
            only(item, "this", "desc", "nulls_first")
            position = item.this.name if isinstance(item.this, exp.Literal) and not item.this.is_string else ""
            if position and not (ordinals and position.isdigit() and 1 <= int(position) <= ordinals):
                refuse(item, "ordinal", "this constant in ORDER BY is not on DuckDB's allow list")
            sql = self._output_key(position, outputs, scope) if position else self.key(item.this, scope)
            descending, nulls = bool(item.args.get("desc")), bool(item.args.get("nulls_first"))
            items.append(f"{sql} {'DESC' if descending else 'ASC'} NULLS {'FIRST' if nulls else 'LAST'}")
        return "ORDER BY " + ", ".join(items)

    def _output_key(self, position: str, outputs: Sequence[exp.Expr], scope: Scope) -> str:
        """A quotient is ordered by its key, whichever way it is named."""
        output = outputs[int(position) - 1] if outputs else None
        if output is not None and self.typed(output, scope).kind.name == "quotient":
            return self.key(output, scope)
        return position
