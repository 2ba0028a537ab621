"""Values that don't fit their columns, as a table of their own: what ``mismatch=null`` reads as NULL can be looked at and counted.

A virtual table over the same location with the option ``rejected_of``: the other table's columns, as ``bdc.virtual_tables`` shows them
(JSON), or ``detected``. Each document that holds such a value has a row for it. The server looks for them when the table is read.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from bson import MinKey
from sqlglot import exp

from virtualization.catalog import Column, VirtualTable
from virtualization.connectors.mongodb.pipelines import Pipeline
from virtualization.connectors.mongodb.rows import Output
from virtualization.connectors.mongodb.typed_columns import REJECTED_OF, TypedColumns
from virtualization.connectors.mongodb.types import NULL, STRANGER, TEXT, Expression, Kind, kind
from virtualization.errors import DefinitionError, UnknownColumnError
from virtualization.plan import Kept

DETECTED = "detected"
COLUMNS = tuple(Column(name, "text") for name in ("_id", "column", "declared", "found", "value"))
"""``_id``: of the document; ``found``: the type of ``value``, as MongoDB calls it."""
_HINT = f'Give the other table\'s columns, [{{"name": "n", "type": "bigint", "remote": "a.n"}}], or "{DETECTED}".'


def columns_of(option: str) -> tuple[Column, ...]:
    """The other table's columns; DefinitionError."""
    try:
        found = [Column(str(one["name"]), str(one["type"]), True, str(one.get("remote", one["name"]))) for one in json.loads(option)]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DefinitionError(f'option "{REJECTED_OF}" holds no list of columns: {error!r}', hint=_HINT) from None
    if not found:
        raise DefinitionError(f'option "{REJECTED_OF}" holds no column', hint=_HINT)
    return tuple(found)


def text_of(columns: Sequence[Column]) -> str:
    """For the option."""
    return json.dumps([{"name": one.name, "type": one.type, "remote": one.remote_name} for one in columns], ensure_ascii=False)


def scan_rejected(table: VirtualTable, names: Sequence[str], predicates: Sequence[exp.Expr]) -> tuple[Pipeline, tuple[Kept, ...]]:
    """The pipeline, and why it applies none of the predicates."""
    columns = columns_of(str(table.options[REJECTED_OF]))
    others = {name: value for name, value in table.options.items() if name != REJECTED_OF} | {"mismatch": NULL}
    typed = TypedColumns(VirtualTable(table.schema, table.name, table.source, table.location, columns, others), "f")
    place = typed.place
    values: dict[str, Expression] = {"_id": "$_id", **{name: f"$r.{name}" for name in ("column", "declared", "found", "value")}}
    strange = [name for name in names if name not in values]
    if strange:
        raise UnknownColumnError(f'column "{strange[0]}" of virtual table "{table.schema}.{table.name}" does not exist')
    checked = [_checked(typed, column) for column in columns if not kind(column.type, NULL).raw]
    stages: list[dict[str, Any]] = [
        *place.stages,
        {"$project": {"_id": 1, "r": checked}},
        {"$unwind": "$r"},
        {"$match": {"r.bad": MinKey()}},
    ]
    stages.append({"$project": {"_id": 0, **{f"c{number}": values[name] for number, name in enumerate(names)}}})
    raw: Kind = kind("text", TEXT)
    kept = tuple(
        Kept(one.sql("postgres"), "not_on_list", "the list of values that don't fit is made while it is read") for one in predicates
    )
    return Pipeline(place.collection, tuple(stages), tuple(Output(name, raw, f"c{number}") for number, name in enumerate(names))), kept


def _checked(typed: TypedColumns, column: Column) -> dict[str, Expression]:
    value, _ = typed.place.column(column.remote_name)
    return {
        "column": {"$literal": column.name}, "declared": {"$literal": column.type}, "found": {"$type": value}, "value": value,
        "bad": typed.value(column.name, STRANGER),
    }  # fmt: skip
