"""Joins inside one database: for each row the documents of another collection whose keys are equal, by ``$lookup``.

    {$set: the key as the other collection stores it} → {$lookup: by that, an index can serve it; then exactly, by typed values}
    → inner, left: {$unwind}, {$set: its columns}; semi, anti: {$match: was there one?}

By stored values ``$lookup`` finds at least all partners (5 finds 5.0 and [5]); its pipeline compares the typed ones, by SQL's rules: null
is equal to nothing. ``NOT IN`` is true where no row is equal *or null*, nor is the value null beside a row: its pipeline looks for such.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bson import MinKey
from sqlglot import exp

from virtualization.catalog import VirtualTable
from virtualization.connectors.mongodb.conditions import Operand, check_alike, coarse
from virtualization.connectors.mongodb.expressions import Computed
from virtualization.connectors.mongodb.filters import Stage, filtered, plain_first
from virtualization.connectors.mongodb.typed_columns import TypedColumns
from virtualization.connectors.mongodb.types import Expression
from virtualization.planner.estimates import scanned_rows
from virtualization.refusal import refuse
from virtualization.source_options import FORCED, PUSHDOWN

Kind = Literal["inner", "left", "semi", "anti", "not_in"]
_FINDABLE = frozenset({"integer", "numeric", "text", "date", "timestamp", "boolean"})
_NOBODY = {"$literal": MinKey()}
"""A key that no typed value is: the row finds no partner."""
MOST_COMPARISONS = 5_000_000.0
"""Of rows with documents where no index serves the join: a server makes about a million a second."""


@dataclass(frozen=True)
class Key:
    """A column of the other collection, and what it must be equal to in the row."""

    inner: Operand
    outer: Operand


class Lookup:
    """One ``$lookup``. ``own``: conditions about the other table alone; ``name``: of the field that holds its documents meanwhile."""

    def __init__(self, kind: Kind, name: str, table: VirtualTable, own: Sequence[exp.Expr]) -> None:
        self.kind = kind
        self.typed = TypedColumns(table, f"{name}_")
        self._name = name
        self._computed = Computed(self.typed.resolve, f"{name}x")
        self._coarse = coarse(own, self.typed.resolve)
        self._own = list(own)
        self._filters = plain_first([filtered(part, self._computed) for part in own])
        self._keys: list[Key] = []
        self._before: dict[str, Expression] = {}

    def join(self, node: exp.Expr, inner: exp.Expr, outer: exp.Expr, rows: Computed) -> None:
        """A further pair of keys; ``rows``: the values of the row so far."""
        key = self.typed.resolve(inner.unnest())
        found, fields = rows.attempt(lambda: rows.resolve(outer))
        if key is None or found is None:
            raise refuse(node, "join", "only columns are keys of a join")
        if key.kind.raw or found.kind.raw:
            raise refuse(node, "mixed_types", "its values are read as text here, whatever they are")
        check_alike(node, found, key)
        self._keys.append(Key(key, found))
        self._before |= fields

    def check(self, node: exp.Expr, rows: float) -> None:
        """RefusedError where it would cost the source more than it saves. ``rows``: expected, each looks for documents."""
        if not self._keys:
            raise refuse(node, "join", "nothing that is equal joins the tables")
        table = self.typed.table
        if str(table.options.get(PUSHDOWN, "")).lower() == FORCED or (self.kind != "not_in" and self._served() is not None):
            return
        if rows * scanned_rows(table, []) > MOST_COMPARISONS:
            column = self._keys[0].inner.stored or "the column"
            raise refuse(
                node, "no_index", f"no index of the collection {self.typed.place.collection} serves the join",
                f"Create one on {column} at the source, and refresh the table.",
            )  # fmt: skip

    def stages(self) -> list[Stage]:
        """Of the pipeline, in the rows' own."""
        served = None if self.kind == "not_in" else self._served() or self._findable()
        helper = f"{self._name}k"
        variables = {f"k{number}": key.outer.reference for number, key in enumerate(self._keys)}
        spec: Stage = {"from": self.typed.place.collection, "let": variables, "pipeline": self._pipeline(), "as": self._name}
        stages: list[Stage] = [{"$set": self._before}] if self._before else []
        if served is not None:
            stages.append({"$set": {helper: _stored_key(served)}})
            spec |= {"localField": helper, "foreignField": served.inner.stored}
        stages.append({"$lookup": spec})
        return stages + self._after([self._name] + ([helper] if served is not None else []))

    def _pipeline(self) -> list[Stage]:
        stages: list[Stage] = [{"$match": self._coarse}] if self._coarse is not None else []
        stages += [*self.typed.place.stages, {"$project": {"_id": 0, **self.typed.fields()}}]
        for one in self._filters:
            stages += one.stages()
        stages.append({"$match": {"$expr": self._comparison()}})
        return stages if self.kind in ("inner", "left") else [*stages, {"$limit": 1}]

    def _comparison(self) -> Expression:
        found: list[Expression] = []
        for number, key in enumerate(self._keys):
            equal = {"$eq": [key.inner.reference, f"$$k{number}"]}
            if self.kind == "not_in" and not number:  # the others are of the sub-query's WHERE
                found.append({"$or": [equal, {"$eq": [key.inner.reference, None]}, {"$eq": ["$$k0", None]}]})
            else:
                found += [{"$ne": [key.inner.reference, None]}, equal]
        return {"$and": found}

    def _after(self, made: list[str]) -> list[Stage]:
        if self.kind in ("semi", "anti", "not_in"):
            return [{"$match": {self._name: {"$size": 1 if self.kind == "semi" else 0}}}, {"$unset": made}]
        stages: list[Stage] = [{"$unwind": {"path": f"${self._name}", "preserveNullAndEmptyArrays": self.kind == "left"}}]
        columns = {field: {"$ifNull": [f"${self._name}.{field}", None]} for field in self.typed.fields()}
        return [*stages, *([{"$set": columns}] if columns else []), {"$unset": made}]

    def _served(self) -> Key | None:
        return next((key for key in self._keys if _is_findable(key) and self.typed.is_indexed(key.inner.stored)), None)

    def _findable(self) -> Key | None:
        return next((key for key in self._keys if _is_findable(key)), None)


def _is_findable(key: Key) -> bool:
    """Do documents with an equal key store something that ``$lookup`` finds by the typed value (or by what ``_stored_key`` makes of it)?"""
    kind = key.inner.kind
    return key.inner.stored is not None and kind.name in _FINDABLE and not (kind.name == "numeric" and kind.scale is None)


def _stored_key(key: Key) -> Expression:
    value = key.outer.reference
    if key.inner.kind.name != "text":
        return {"$ifNull": [value, _NOBODY]}
    stored = {"$convert": {"input": value, "to": "objectId", "onError": value, "onNull": None}}  # the text of an ObjectId, or a text
    return {"$cond": [{"$eq": [value, None]}, _NOBODY, [value, stored]]}
