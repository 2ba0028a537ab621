"""Reading a table: the paths that are needed, in the documents that are wanted."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from virtualization.catalog import VirtualTable
from virtualization.connectors.mongodb.conditions import Filter, coarse
from virtualization.connectors.mongodb.expressions import Computed
from virtualization.connectors.mongodb.filters import Filtered, Stage, filtered, plain_first
from virtualization.connectors.mongodb.pipelines import Pipeline
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
    computed = Computed(typed.resolve, f"{_PREFIX}e")
    taken: list[exp.Expr] = []
    filters: list[Filtered] = []
    left: list[exp.Expr] = []
    kept: list[Kept] = []
    for predicate in predicates:
        try:
            filters.append(filtered(predicate, computed))
        except RefusedError as refused:
            left.append(predicate)
            kept.append(refused.kept)
        else:
            taken.append(predicate)
    taken_columns = {column.name for predicate in taken for column in predicate.find_all(exp.Column)}
    keys = {name: f"c{number}" for number, name in enumerate(names)}
    outputs = tuple(Output(name, typed.kind(name), key) for name, key in keys.items())
    stages = _filtering(typed, coarse(taken, typed.resolve), filters, taken_columns)
    stages.append({"$project": {"_id": 0, **{key: typed.travelling(name) for name, key in keys.items()}}})
    culprits = typed.culprits([*names, *sorted(taken_columns)])
    return Pipeline(typed.place.collection, tuple(stages), outputs, culprits, by_document=True), tuple(left), tuple(kept)


def _filtering(typed: TypedColumns, first: Filter | None, filters: Sequence[Filtered], used: set[str]) -> list[Stage]:
    """The documents wanted: coarsely by the stored values (indexes), then exactly by the typed ones; what is calculated comes last."""
    stages: list[Stage] = [{"$match": first}] if first is not None else []
    stages += typed.place.stages
    fields = typed.fields_of(used)
    stages += [{"$set": fields}] if fields else []
    for one in plain_first(filters):
        stages += one.stages()
    return stages
