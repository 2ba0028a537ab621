"""Reading a table: the paths that are needed, in the documents that are wanted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlglot import exp

from virtualization.catalog import VirtualTable
from virtualization.connectors.mongodb.client import Pipeline
from virtualization.connectors.mongodb.conditions import coarse, condition
from virtualization.connectors.mongodb.rows import Output
from virtualization.connectors.mongodb.typed_columns import TypedColumns
from virtualization.plan import Kept
from virtualization.refusal import RefusedError

_PREFIX = "__bdc_f"


def scan_pipeline(
    table: VirtualTable, names: Sequence[str], predicates: Sequence[exp.Expr]
) -> tuple[Pipeline, tuple[exp.Expr, ...], tuple[Kept, ...]]:
    """The pipeline, the predicates that it does not apply, and why."""
    typed = TypedColumns(table, _PREFIX)
    taken, filters, left, kept = [], [], [], []
    for predicate in predicates:
        try:
            filters.append(condition(predicate, typed.resolve))
            taken.append(predicate)
        except RefusedError as refused:
            left.append(predicate)
            kept.append(refused.kept)
    taken_columns = {column.name for predicate in taken for column in predicate.find_all(exp.Column)}
    keys = {name: f"c{number}" for number, name in enumerate(names)}
    outputs = tuple(Output(name, typed.kind(name), key) for name, key in keys.items())
    stages = filtering(typed, coarse(taken, typed.resolve), filters, taken_columns)
    stages.append({"$project": {"_id": 0, **{key: typed.travelling(name) for name, key in keys.items()}}})
    pipeline = Pipeline(typed.place.collection, tuple(stages), outputs, typed.culprits([*names, *sorted(taken_columns)]))
    return pipeline, tuple(left), tuple(kept)


def filtering(typed: TypedColumns, first: dict[str, Any] | None, filters: Sequence[dict[str, Any]], used: set[str]) -> list[dict[str, Any]]:
    """The documents wanted: coarsely by the stored values (indexes), then exactly by the typed ones."""
    stages: list[dict[str, Any]] = [{"$match": first}] if first is not None else []
    stages += typed.place.stages
    if filters:
        fields = typed.fields_of(used)
        if fields:
            stages.append({"$set": fields})
        stages.append({"$match": {"$and": list(filters)}})
    return stages
