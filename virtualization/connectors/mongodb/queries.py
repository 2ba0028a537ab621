"""A whole SELECT over one collection as one pipeline: filter, group, HAVING, DISTINCT, order, LIMIT, OFFSET. Anything else is refused.

$match (indexes) → $unwind → $project (typed columns) → $match → $group [→ $group] → $project → $match (HAVING)
→ $set (where nulls and NaN go) → $sort → $skip → $limit → $project (as it travels)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlglot import exp

from virtualization.catalog import VirtualTable
from virtualization.connectors.mongodb.aggregates import is_aggregate
from virtualization.connectors.mongodb.client import Pipeline
from virtualization.connectors.mongodb.conditions import Filter, Operand, coarse, condition
from virtualization.connectors.mongodb.groups import Groups
from virtualization.connectors.mongodb.rows import Output
from virtualization.connectors.mongodb.typed_columns import TypedColumns
from virtualization.connectors.mongodb.types import wired
from virtualization.refusal import refuse

Stage = dict[str, Any]
_PARTS = frozenset({"expressions", "from_", "where", "group", "having", "order", "limit", "offset", "distinct"})
_NAN = float("nan")


def query_pipeline(query: exp.Query, tables: Mapping[str, VirtualTable]) -> Pipeline:
    """RefusedError with the reason where the query can't be one pipeline that gives PostgreSQL's answer."""
    if not isinstance(query, exp.Select):
        raise refuse(query, "not_on_list", "set operations are not taken")
    for name, value in query.args.items():
        if value and name not in _PARTS:
            raise refuse(query, "join" if name == "joins" else "not_on_list", f"{name.strip('_')} is not taken")
    if query.find(exp.Subquery, exp.Window) or sum(1 for _ in query.find_all(exp.Select)) > 1:
        raise refuse(query, "not_on_list", "sub-queries and windows are not taken")
    return _Block(query, tables).pipeline()


class _Block:
    def __init__(self, query: exp.Select, tables: Mapping[str, VirtualTable]) -> None:
        self._query = query
        from_ = query.args.get("from_")
        source = from_.this if from_ is not None else None
        if not isinstance(source, exp.Table) or source.alias_or_name not in tables or source.args.get("joins"):
            raise refuse(query, "not_a_table", "FROM is not one table of this source")
        if source.args.get("sample") or source.args.get("only"):
            raise refuse(query, "not_on_list", "samples are not taken")
        self._typed = TypedColumns(tables[source.alias_or_name], "f")
        self._limit = _number(query.args.get("limit"))
        self._offset = _number(query.args.get("offset"))
        distinct = query.args.get("distinct")
        if distinct is not None and distinct.args.get("on"):
            raise refuse(query, "distinct_on", "which row DISTINCT ON keeps depends on an order that may differ")
        grouped = bool(query.args.get("group")) or query.args.get("having") is not None or query.find(exp.AggFunc) is not None
        if distinct is not None and grouped:
            raise refuse(query, "not_on_list", "DISTINCT over groups")
        self._groups = Groups(query, self._typed.resolve, distinct is not None) if grouped or distinct is not None else None

    def pipeline(self) -> Pipeline:
        """All stages, in their order; what is asked of the table is known only when all parts were looked at."""
        where = self._query.args.get("where")
        parts = list(where.this.flatten()) if where is not None and isinstance(where.this, exp.And) else [where.this] if where else []
        filters = [condition(part, self._typed.resolve) for part in parts]
        first = coarse(parts, self._typed.resolve)
        if self._groups is not None:
            self._groups.check()
        having = self._having()
        order = self._order()
        outputs, travelling = self._outputs()
        stages: list[Stage] = [{"$match": first}] if first is not None else []
        stages += self._typed.place.stages
        fields = self._typed.fields()
        stages += [{"$project": {"_id": 0, **fields}}] if fields else []
        stages += [{"$match": {"$and": filters}}] if filters else []
        stages += self._groups.stages() if self._groups is not None else []
        stages += having + order
        stages += [{"$skip": self._offset}] if self._offset else []
        stages += [{"$limit": self._limit}] if self._limit is not None else []
        stages.append({"$project": {"_id": 0, **travelling}})
        one_row = self._groups.of_nothing(outputs) if self._groups is not None else None
        if one_row is not None and self._offset:
            raise refuse(self._query, "limit", "OFFSET over an aggregate of the whole table")
        return Pipeline(self._typed.place.collection, tuple(stages), outputs, self._typed.culprits(self._typed.names()), one_row)

    def _having(self) -> list[Stage]:
        having = self._query.args.get("having")
        if having is None:
            return []
        assert self._groups is not None
        if self._groups.is_whole:
            raise refuse(having.this, "aggregate", "HAVING over an aggregate of the whole table")
        made: Filter = condition(having.this, self._groups.resolve)
        return [{"$match": made}]

    def _operand(self, node: exp.Expr) -> Operand:
        resolve = self._groups.resolve if self._groups is not None else self._typed.resolve
        found = resolve(node.unnest())
        if found is None:
            raise refuse(node, "not_on_list", "only columns and aggregates are asked for")
        return found

    def _outputs(self) -> tuple[tuple[Output, ...], dict[str, Any]]:
        outputs: list[Output] = []
        travelling: dict[str, Any] = {}
        for number, item in enumerate(self._query.selects):
            node = item.unalias()
            key = f"c{number}"
            name = item.alias or (item.name if isinstance(item, exp.Column) else "?column?")
            if self._groups is not None and is_aggregate(node):
                made, expression = self._groups.output(node)
                outputs.append(Output(name, made.kind, key, made.finish))
                travelling[key] = expression
            else:
                operand = self._operand(node)
                outputs.append(Output(name, operand.kind, key))
                travelling[key] = operand.reference if operand.kind.raw else wired(operand.reference, operand.kind)
        return tuple(outputs), travelling

    def _order(self) -> list[Stage]:
        order = self._query.args.get("order")
        if order is None:
            return []
        ranks: dict[str, Any] = {}
        keys: dict[str, int] = {}
        for number, item in enumerate(order.expressions):
            operand = self._sorted_by(item)
            ranks[f"r{number}"] = _rank(operand, bool(item.args.get("desc")), bool(item.args.get("nulls_first")))
            keys |= {f"r{number}": 1, operand.field: -1 if item.args.get("desc") else 1}
        return [{"$set": ranks}, {"$sort": keys}]

    def _sorted_by(self, item: exp.Expr) -> Operand:
        node = item.this.unnest()
        selects = self._query.selects
        if isinstance(node, exp.Literal) and not node.is_string:
            node = selects[int(node.name) - 1].unalias()
        elif isinstance(node, exp.Column) and not node.table:
            node = next((one.unalias() for one in selects if one.alias_or_name == node.name), node)
        operand = self._operand(node)
        if operand.kind.raw:
            raise refuse(
                node, "mixed_types", "its values are read as text here, whatever they are", "Declare the type, and another policy."
            )
        if operand.kind.name == "bytes":
            raise refuse(node, "type_order", "bytes are ordered otherwise at the source")
        return operand


def _rank(operand: Operand, descending: bool, nulls_first: bool) -> Any:  # noqa: ANN401 an expression
    """Before all values, among or behind them: nulls go where SQL wants them, NaN is greater than all numbers."""
    value = operand.reference
    cases: list[Stage] = [{"case": {"$eq": [value, None]}, "then": -2 if nulls_first else 2}]
    if operand.kind.name in ("double", "numeric"):
        cases.append({"case": {"$eq": [value, _NAN]}, "then": -1 if descending else 1})
    return {"$switch": {"branches": cases, "default": 0}}


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
