"""The columns that a pipeline needs, each as a field with its typed value (see ``types``)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bson import MinKey
from sqlglot import exp

from virtualization.catalog import Column, VirtualTable
from virtualization.connectors.mongodb.conditions import Operand
from virtualization.connectors.mongodb.paths import Place, place_of
from virtualization.connectors.mongodb.pipelines import Culprit
from virtualization.connectors.mongodb.types import ERROR, NULL, POLICIES, STRANGER, TEXT, Expression, Kind, kind, typed
from virtualization.errors import DefinitionError, UnknownColumnError
from virtualization.types import pg_type

Stage = dict[str, Any]
_TEXT = pg_type("text")
INDEXES = "indexes"
"""Option of a table: paths by which an index of the collection begins, as detection found them. It decides about joins' cost, no more."""
REJECTED_OF = "rejected_of"
"""Option of a table that lists what another one reads as NULL: see ``rejects``."""
MIXED = "mixed"
"""Option of a table with ``mismatch=text``: the paths, separated by commas, whose text columns show any value; not given: all do."""
TABLE_OPTIONS = (INDEXES, "json_schema", "mismatch", MIXED, "pushdown", REJECTED_OF)


def policy_of(table: VirtualTable) -> str:
    """What a value that does not fit becomes; DefinitionError for an option that is none."""
    for name in table.options:
        if name not in TABLE_OPTIONS:
            known = ", ".join(TABLE_OPTIONS)
            raise DefinitionError(f'virtual table "{table.schema}.{table.name}": unknown option "{name}"', hint=f"Known options: {known}.")
    given = str(table.options.get("mismatch", ERROR)).lower()
    if given not in POLICIES:
        raise DefinitionError(
            f'virtual table "{table.schema}.{table.name}": option "mismatch" is "{given}"', hint=f"One of {', '.join(POLICIES)}."
        )
    return given


class TypedColumns:
    """Of one table in one pipeline; columns are added as they are asked for. ``prefix``: of the fields."""

    def __init__(self, table: VirtualTable, prefix: str) -> None:
        self.table = table
        self.place: Place = place_of(table)
        self.policy = policy_of(table)
        self._prefix = prefix
        self._by_name = {column.name: column for column in table.columns}
        self._fields: dict[str, str] = {}

    def is_indexed(self, stored: str | None) -> bool:
        """Does an index of the collection serve the equality of a stored path?"""
        return stored is not None and (stored == "_id" or stored in str(self.table.options.get(INDEXES, "")).split(","))

    def column(self, name: str) -> Column:
        """The declared column; UnknownColumnError."""
        if name not in self._by_name:
            raise UnknownColumnError(f'column "{name}" of virtual table "{self.table.schema}.{self.table.name}" does not exist')
        return self._by_name[name]

    def names(self) -> list[str]:
        """What was asked for."""
        return list(self._fields)

    def kind(self, name: str) -> Kind:
        """Of a column."""
        column, mixed = self.column(name), self.table.options.get(MIXED)
        strict = self.policy == TEXT and mixed is not None and column.remote_name not in str(mixed).split(",")
        return kind(column.type, ERROR if strict else self.policy)

    def operand(self, name: str) -> Operand:
        """The field with the column's typed value; from now on the pipeline needs it."""
        field = self._fields.setdefault(name, f"{self._prefix}{len(self._fields)}")
        _, stored = self.place.column(self.column(name).remote_name)
        return Operand(field, self.kind(name), None if stored is None else stored.dotted)

    def resolve(self, node: exp.Expr) -> Operand | None:
        """For ``conditions``: a column of the table, also one that is cast to text and is one."""
        if type(node) is exp.Cast and isinstance(node.this, exp.Column) and node.to.this == exp.DType.TEXT:
            inner = self.resolve(node.this)
            return replace(inner, kind=replace(inner.kind, of=_TEXT)) if inner is not None and inner.kind.name == "text" else None
        return self.operand(node.name) if isinstance(node, exp.Column) and node.name in self._by_name else None

    def fields(self) -> dict[str, Expression]:
        """The typed value of every column asked for."""
        return self.fields_of(set(self._fields))

    def fields_of(self, names: set[str]) -> dict[str, Expression]:
        """Of these columns only (others were asked for by what was refused in the end)."""
        stranger = {"$literal": None} if self.policy == NULL else None
        return {field: self.value(name, stranger) for name, field in self._fields.items() if name in names}

    def value(self, name: str, stranger: Expression | None, wire: bool = False) -> Expression:
        """The typed value of a column, see ``types.typed``."""
        value, _ = self.place.column(self.column(name).remote_name)
        return typed(value, self.kind(name), stranger, wire)

    def travelling(self, name: str) -> Expression:
        """The same in the form that travels; strangers marked where they are counted."""
        return self.value(name, STRANGER if self.policy == NULL else None, wire=True)

    def culprits(self, names: list[str]) -> tuple[Culprit, ...]:
        """See ``pipelines.Pipeline``."""
        if self.policy == NULL:
            return ()
        needed = [name for name in dict.fromkeys(names) if not self.kind(name).raw]
        return tuple(Culprit(self.place.collection, name, self.column(name).type, self._culprit(name)) for name in needed)

    def _culprit(self, name: str) -> tuple[Stage, ...]:
        value, _ = self.place.column(self.column(name).remote_name)
        shown = {"$project": {"type": {"$type": value}, "bad": self.value(name, STRANGER)}}
        return (*self.place.stages, shown, {"$match": {"bad": MinKey()}}, {"$limit": 1})
