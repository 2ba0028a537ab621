"""A whole SELECT as one pipeline: filter, join, group, HAVING, windows, DISTINCT, order, LIMIT, OFFSET. Anything else is refused.

rows (see ``sources``) → $set (calculated values) → $group [→ $group] → $project → $set → $match (HAVING) | $setWindowFields
→ $set (where nulls and NaN go) → $sort → $skip → $limit → $project (as it travels)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlglot import exp

from virtualization.catalog import VirtualTable
from virtualization.connectors.mongodb.aggregates import is_aggregate, scaled
from virtualization.connectors.mongodb.conditions import Operand, condition
from virtualization.connectors.mongodb.expressions import Computed
from virtualization.connectors.mongodb.groups import Groups
from virtualization.connectors.mongodb.pipelines import Pipeline
from virtualization.connectors.mongodb.rows import Output
from virtualization.connectors.mongodb.sources import Rows
from virtualization.connectors.mongodb.types import Expression, wired
from virtualization.connectors.mongodb.windows import Windows, rank
from virtualization.planner.properties import has_query
from virtualization.refusal import refuse

Stage = dict[str, Any]
_PARTS = frozenset({"expressions", "from_", "joins", "where", "group", "having", "order", "limit", "offset", "distinct"})


def query_pipeline(query: exp.Query, tables: Mapping[str, VirtualTable]) -> Pipeline:
    """RefusedError with the reason where the query can't be one pipeline that gives PostgreSQL's answer."""
    if not isinstance(query, exp.Select):
        raise refuse(query, "not_on_list", "set operations are not taken")
    for name, value in query.args.items():
        if value and name not in _PARTS:
            raise refuse(query, "not_on_list", f"{name.strip('_')} is not taken")
    for name in ("group", "having", "order"):
        if query.args.get(name) is not None and has_query(query.args[name]):
            raise refuse(query, "not_on_list", "sub-queries are taken in WHERE only")
    if any(has_query(item) for item in query.selects):
        raise refuse(query, "not_on_list", "sub-queries are taken in WHERE only")
    return _Block(query, tables).pipeline()


class _Block:
    def __init__(self, query: exp.Select, tables: Mapping[str, VirtualTable]) -> None:
        self._query = query
        self._limit = _number(query.args.get("limit"))
        self._offset = _number(query.args.get("offset"))
        distinct = query.args.get("distinct")
        if distinct is not None and distinct.args.get("on"):
            raise refuse(query, "distinct_on", "which row DISTINCT ON keeps depends on an order that may differ")
        windows = query.find(exp.Window) is not None
        called = any(node.find_ancestor(exp.Window) is None for node in _aggregates(query))
        grouped = bool(query.args.get("group")) or query.args.get("having") is not None or called
        if distinct is not None and (grouped or windows):
            raise refuse(query, "not_on_list", "DISTINCT over groups or windows")
        if grouped and windows:
            raise refuse(query, "window", "windows over groups")
        self._rows = Rows(query, tables)
        self._values = self._rows.computed
        self._groups: Groups | None = None
        self._windows = Windows(self._values.resolve)
        self._is_distinct = distinct is not None
        self._is_grouped = grouped or distinct is not None

    def pipeline(self) -> Pipeline:
        """All stages, in their order; what is asked of the tables is known only when all parts were looked at."""
        (after, outputs), fields = self._values.attempt(self._made)
        stages = self._rows.stages()
        stages += [{"$set": fields}] if fields else []
        stages += self._groups.stages() if self._groups is not None else []
        stages += after
        one_row = self._groups.of_nothing(outputs) if self._groups is not None else None
        if one_row is not None and self._offset:
            raise refuse(self._query, "limit", "OFFSET over an aggregate of the whole table")
        alone = not (self._is_grouped or self._query.find(exp.Window) or self._query.args.get("order")) and self._rows.is_single
        return Pipeline(
            self._rows.collection, tuple(stages), outputs, self._rows.culprits(), one_row, self._rows.joined,
            by_document=alone and self._limit is None and not self._offset,
        )  # fmt: skip

    def _made(self) -> tuple[list[Stage], tuple[Output, ...]]:
        """The stages after grouping, and the columns of the answer."""
        if self._is_grouped:
            self._groups = Groups(self._query, self._values.resolve, self._is_distinct)
            self._groups.check()
            above = Computed(self._groups.resolve, "g")
        else:
            above = Computed(self._windows.resolve, "w")
        having, needed = above.attempt(lambda: self._having(above))
        stages: list[Stage] = [{"$set": needed}] if needed and having else []
        stages += having
        (order, (outputs, travelling)), fields = above.attempt(lambda: (self._order(above), self._outputs(above)))
        stages += self._windows.stages()
        stages += [{"$set": fields}] if fields else []
        stages += order
        stages += [{"$skip": self._offset}] if self._offset else []
        stages += [{"$limit": self._limit}] if self._limit is not None else []
        stages.append({"$project": {"_id": 0, **travelling}})
        return stages, outputs

    def _having(self, above: Computed) -> list[Stage]:
        having = self._query.args.get("having")
        if having is None:
            return []
        assert self._groups is not None
        if self._groups.is_whole:
            raise refuse(having.this, "aggregate", "HAVING over an aggregate of the whole table")
        return [{"$match": condition(having.this, above.resolve)}]

    def _operand(self, node: exp.Expr, above: Computed) -> Operand:
        found = above.resolve(node.unnest())
        if found is None:
            raise refuse(node, "not_on_list", "only columns, aggregates, and what is calculated from them are asked for")
        return found

    def _outputs(self, above: Computed) -> tuple[tuple[Output, ...], dict[str, Expression]]:
        outputs: list[Output] = []
        travelling: dict[str, Expression] = {}
        for number, item in enumerate(self._query.selects):
            node = item.unalias()
            key = f"c{number}"
            name = item.alias or (item.name if isinstance(item, exp.Column) else "?column?")
            if self._groups is not None and is_aggregate(node):
                made, expression = self._groups.output(node)
                outputs.append(Output(name, made.kind, key, made.finish))
                travelling[key] = expression
            else:
                operand = self._operand(node, above)
                finish = scaled(operand.kind.digits[1]) if operand.kind.digits is not None else None
                outputs.append(Output(name, operand.kind, key, finish))
                travelling[key] = operand.reference if operand.kind.raw else wired(operand.reference, operand.kind)
        return tuple(outputs), travelling

    def _order(self, above: Computed) -> list[Stage]:
        order = self._query.args.get("order")
        if order is None:
            return []
        ranks: dict[str, Expression] = {}
        keys: dict[str, int] = {}
        for number, item in enumerate(order.expressions):
            operand = self._sorted_by(item, above)
            ranks[f"r{number}"] = rank(operand, bool(item.args.get("desc")), bool(item.args.get("nulls_first")))
            keys |= {f"r{number}": 1, operand.field: -1 if item.args.get("desc") else 1}
        return [{"$set": ranks}, {"$sort": keys}]

    def _sorted_by(self, item: exp.Expr, above: Computed) -> Operand:
        node = item.this.unnest()
        selects = self._query.selects
        if isinstance(node, exp.Literal) and not node.is_string:
            node = selects[int(node.name) - 1].unalias()
        elif isinstance(node, exp.Column) and not node.table:
            node = next((one.unalias() for one in selects if one.alias_or_name == node.name), node)
        return sortable(node, self._operand(node, above))


def sortable(node: exp.Expr, operand: Operand) -> Operand:
    """RefusedError for values that the source orders otherwise."""
    if operand.kind.raw:
        raise refuse(node, "mixed_types", "its values are read as text here, whatever they are", "Declare the type, and another policy.")
    if operand.kind.name == "bytes":
        raise refuse(node, "type_order", "bytes are ordered otherwise at the source")
    return operand


def _aggregates(query: exp.Select) -> list[exp.Expr]:
    parts = [*query.selects, query.args.get("having"), query.args.get("order")]
    return [call for part in parts if part is not None for call in part.find_all(exp.AggFunc)]


def _number(part: exp.Expr | None) -> int | None:
    if part is None:
        return None
    node = part.expression
    if (
        not isinstance(node, exp.Literal)
        or node.is_string
        or not node.name.isdigit()
        or (isinstance(part, exp.Limit) and int(node.name) == 0)
    ):
        raise refuse(part, "limit", "LIMIT and OFFSET are taken as plain numbers, LIMIT from 1 on")
    if int(node.name) >= 2**63:
        raise refuse(part, "limit", "the number is too large for the source")
    return int(node.name)
