"""GROUP BY and DISTINCT as ``$group``: keys, accumulators, and a second grouping where different values are counted."""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from virtualization.connectors.mongodb.aggregates import Aggregate, aggregate, is_aggregate, travelling
from virtualization.connectors.mongodb.conditions import Operand, Resolve
from virtualization.connectors.mongodb.constants import mixed
from virtualization.connectors.mongodb.rows import Output
from virtualization.connectors.mongodb.types import Expression
from virtualization.refusal import refuse

Stage = dict[str, Any]


class Groups:
    """Of one block; ``resolve_row``: operands before grouping."""

    def __init__(self, query: exp.Select, resolve_row: Resolve, distinct: bool) -> None:
        self._query = query
        self._row = resolve_row
        self._keys: dict[str, tuple[Operand, Expression]] = {}  # the key's SQL -> the field after grouping, its value before
        self._aggregates: dict[str, tuple[str, Aggregate]] = {}  # the call's SQL -> its field, and what it is
        for node in [item.unalias() for item in query.selects] if distinct else self._group_by():
            self._add_key(node)

    @property
    def is_whole(self) -> bool:
        """Is the whole table one group?"""
        return not self._keys

    def check(self) -> None:
        """All aggregates of the block, so that the pipeline knows them before its stages are made."""
        for part in ("expressions", "having", "order"):
            value = self._query.args.get(part)
            for node in value if isinstance(value, list) else [value] if value is not None else []:
                for call in node.find_all(exp.AggFunc):
                    self._aggregate(call)
        if len({made.distinct for _, made in self._aggregates.values() if made.distinct is not None}) > 1:
            raise refuse(self._query, "several_distinct", "different values of several columns are counted")

    def resolve(self, node: exp.Expr) -> Operand | None:
        """After grouping: a key, or an aggregate that may be compared."""
        found = self._keys.get(_key(node))
        if found is not None:
            return found[0]
        if not is_aggregate(node):
            return None
        field, made = self._aggregate(node)
        if not made.comparable:
            raise refuse(node, "aggregate", "averages are made, compared and ordered here")
        return Operand(f"v{field}", made.kind)

    def output(self, node: exp.Expr) -> tuple[Aggregate, Expression]:
        """An aggregate in the select list: what it is, and the form that travels."""
        field, made = self._aggregate(node)
        return made, travelling(made, field)

    def of_nothing(self, outputs: tuple[Output, ...]) -> dict[str, Any] | None:
        """The one row of an aggregate over no row; None where there are groups."""
        if not self.is_whole:
            return None
        selects = [item.unalias() for item in self._query.selects]
        if not all(is_aggregate(node) for node in selects):
            raise refuse(self._query, "aggregate", "what is calculated from an aggregate of the whole table, which may have no row")
        return {output.key: self._aggregate(node)[1].of_nothing for output, node in zip(outputs, selects, strict=True)}

    def stages(self) -> list[Stage]:
        """Afterwards each key is a field ``k…``, each aggregate its accumulators ``a…`` and its value ``va…``."""
        keys = {operand.field: value for operand, value in self._keys.values()}
        accumulators = {
            f"{field}{suffix}": {operator: value}
            for field, made in self._aggregates.values()
            for suffix, (operator, value) in made.accumulators.items()
        }
        counted = next((made.distinct for _, made in self._aggregates.values() if made.distinct is not None), None)
        if counted is None:
            stages: list[Stage] = [{"$group": {"_id": keys or None, **accumulators}}]
        else:
            stages = [{"$group": {"_id": {**keys, "d": f"${counted}"}, **accumulators}}, self._second(keys)]
        shown: Stage = {field: f"$_id.{field}" for field in keys}
        shown |= dict.fromkeys(accumulators, 1) | {field: 1 for field, made in self._aggregates.values() if made.distinct is not None}
        stages.append({"$project": {"_id": 0, **shown}})
        values = {f"v{field}": made.value(field) for field, made in self._aggregates.values() if made.comparable}
        return [*stages, {"$set": values}] if values else stages

    def _second(self, keys: dict[str, Expression]) -> Stage:
        parts: dict[str, Any] = {}
        for field, made in self._aggregates.values():
            parts |= {f"{field}{suffix}": {operator: f"${field}{suffix}"} for suffix, (operator, _) in made.accumulators.items()}
            if made.distinct is not None:
                parts[field] = {"$sum": {"$cond": [{"$eq": ["$_id.d", None]}, 0, 1]}}
        return {"$group": {"_id": {field: f"$_id.{field}" for field in keys} or None, **parts}}

    def _group_by(self) -> list[exp.Expr]:
        group = self._query.args.get("group")
        if group is None:
            return []
        if any(value for name, value in group.args.items() if name != "expressions"):
            raise refuse(group, "not_on_list", "sets of groups")
        return [self._meant(node) for node in group.expressions]

    def _meant(self, node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Literal) and not node.is_string:
            found: exp.Expr = self._query.selects[int(node.name) - 1].unalias()
            return found
        return node

    def _add_key(self, node: exp.Expr) -> None:
        name = _key(node)
        if name in self._keys:
            return
        operand = grouped_by(node, self._row)
        self._keys[name] = (Operand(f"k{len(self._keys)}", operand.kind), operand.reference)

    def _aggregate(self, node: exp.Expr) -> tuple[str, Aggregate]:
        name = _key(node)
        if name not in self._aggregates:
            self._aggregates[name] = (f"a{len(self._aggregates)}_", aggregate(node, self._row))
        return self._aggregates[name]


def grouped_by(node: exp.Expr, resolve: Resolve) -> Operand:
    """What makes rows belong together; RefusedError where equal values are not the same ones at the source."""
    operand = resolve(node.unnest())
    if operand is None:
        raise refuse(node, "not_on_list", "groups by columns and what is calculated from them only")
    if operand.kind.raw:
        raise mixed(node)
    if operand.kind.name in ("double", "bytes") or (operand.kind.name == "numeric" and operand.kind.scale is None):
        # which of 0 and -0, 1.5 and 1.50 stands for the group is not the same; nor is NaN everywhere
        raise refuse(node, "type", f"groups by values that are {operand.kind.of.text}", "Declare the column numeric(p,s).")
    return operand


def _key(node: exp.Expr) -> str:
    return node.unnest().sql("postgres")
