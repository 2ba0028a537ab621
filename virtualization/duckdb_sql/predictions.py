"""Calls of ``predict``: each is computed once for a row, below everything else that its SELECT does.

    SELECT avg(predict(k, x)) FROM t WHERE x > 0   →   SELECT avg(h.p0) FROM (SELECT t, f(t.x) AS p0 FROM t WHERE t.x > 0) AS h

So a rendering that repeats its operand repeats no call, the same call written twice is made once, and conditions without a call come
first. ``t`` in the inner list is the whole row: what names a column of it outside finds it there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlglot import exp

from virtualization.duckdb_sql.expressions import Scope, SubQuery
from virtualization.duckdb_sql.functions import Functions
from virtualization.duckdb_sql.kinds import INTEGERS, Kind, RefusedError, kind_of_text
from virtualization.duckdb_sql.literals import Value
from virtualization.errors import PredictionError, UnsupportedError
from virtualization.predictions import PREDICT, Model, Models

_ASIDE = "Write it in a sub-query: SELECT … FROM (SELECT …, predict(…) AS p FROM …) AS t."
_DOUBLE = ("double precision", "float8", "float")
_NUMBERS = (*INTEGERS, "decimal", "float4", "float8")


@dataclass
class Block:
    """The calls of one SELECT by their rendered text. Until it is open (its FROM is read), none is possible."""

    open: bool = False
    found: dict[str, tuple[str, Kind]] = field(default_factory=dict)
    inside: bool = False
    """Among the arguments of a call."""


class Predictions(Functions):
    """Functions, and ``predict`` where there are models."""

    def __init__(self, sub_query: SubQuery, models: Models | None = None) -> None:
        super().__init__(sub_query)
        self._models = models
        self._blocks: list[Block] = []
        self.keys: dict[str, str] = {}
        """What stands in the text for a function → its model's key."""

    @contextmanager
    def block(self) -> Iterator[Block]:
        """Of a SELECT, around all of it."""
        self._blocks.append(Block())
        try:
            yield self._blocks[-1]
        finally:
            self._blocks.pop()

    def _anonymous(self, node: exp.Anonymous, scope: Scope) -> Value:
        model = self._models.model(node.expressions[0].name) if self._models is not None and node.name.lower() == PREDICT else None
        if model is None:
            return self._by_line(node, scope)
        block = self._blocks[-1]
        if not block.open:
            raise UnsupportedError("predict can't stand in the condition of an outer join", hint=_ASIDE)
        if block.inside or any(part.find(exp.AggFunc, exp.Window) for part in node.expressions):
            raise UnsupportedError("predict can't be called with aggregates, windows or other predictions", hint=_ASIDE)
        block.inside = True
        try:
            given = [self._input(model, of, item, scope) for of, item in zip(model.inputs, node.expressions[1:], strict=True)]
        finally:
            block.inside = False
        function = f"\0p:{hashlib.sha256(model.key.encode()).hexdigest()[:16]}\0"
        self.keys[function] = model.key
        text = f"{function}({', '.join(value.sql for value in given)})"
        return Value(*block.found.setdefault(text, (f"p{len(block.found)}", kind_of_text(model.output))))

    def _input(self, model: Model, of: tuple[str, str], node: exp.Expr, scope: Scope) -> Value:
        name, wanted = of[0], kind_of_text(of[1])
        value = self._given(node, wanted, scope)
        fits = value.kind.name in (wanted.name, "unknown")
        fits = fits or (wanted.name == "float8" and value.kind.name in _NUMBERS) or (wanted.name == "int8" and value.kind.name in INTEGERS)
        try:
            made = self.coerce(node, value, wanted) if fits else value
        except RefusedError:
            fits = False
        if not fits:
            raise PredictionError(
                f"input {name} of {model.label} is {of[1]}, this is {'a constant that is none' if value.literal else value.kind.pg}",
                detail=node.sql("postgres")[:200],
                hint=f"Cast it, for example CAST(… AS {of[1]}). {model.shown}, in this order.",
            )
        return made

    def _given(self, node: exp.Expr, wanted: Kind, scope: Scope) -> Value:
        """The argument; a numeric for a double, cast or not, by its text: so it is the nearest one, as in PostgreSQL."""
        bare = node.this if isinstance(node, exp.Cast) and node.to.sql("postgres").lower() in _DOUBLE else node
        value = self.value(bare, scope) if wanted.name == "float8" else self.value(node, scope)
        if wanted.name == "float8" and value.kind.name == "decimal" and value.literal is None:
            return Value(f"CAST(CAST({value.sql} AS VARCHAR) AS DOUBLE)", wanted)
        if wanted.name == "float8" and value.kind.name == "opaque" and value.kind.pg.partition("(")[0] == "numeric":
            return Value(f"CAST({value.sql} AS DOUBLE)", wanted)  # it is here as text
        return value if bare is node or wanted.name != "float8" else self.value(node, scope)

    def _case(self, node: exp.Case, scope: Scope) -> Value:
        """A branch is computed for its rows only; what lies below the SELECT is for all."""
        return super()._case(self._unconditional(node), scope)

    def _coalesce(self, node: Any, scope: Scope) -> Value:  # noqa: ANN401 also Greatest and Least
        if any(_calls_here(item) for item in node.expressions):
            self._unconditional(node)
        return super()._coalesce(node, scope)

    def _unconditional(self, node: Any) -> Any:  # noqa: ANN401
        if self._models is not None and _calls_here(node):
            raise UnsupportedError(
                "predict can't stand in CASE or behind the first value of COALESCE: it is called for every row", hint=_ASIDE
            )
        return node


def parted(where: exp.Expr | None) -> tuple[list[exp.Expr], list[exp.Expr]]:
    """The conditions of a WHERE: those without a call, which come first, and the others."""
    if where is None:
        return [], []
    conditions = list(where.this.flatten()) if isinstance(where.this, exp.And) and _calls_here(where.this) else [where.this]
    return [one for one in conditions if not _calls_here(one)], [one for one in conditions if _calls_here(one)]


def _calls_here(node: exp.Expr) -> bool:
    """Is there a call that is not of a sub-query's?"""
    return any(
        isinstance(one, exp.Anonymous) and one.name.lower() == PREDICT for one in node.walk(prune=lambda one: isinstance(one, exp.Query))
    )


def below(block: Block, source: str, tables: list[str], name: str) -> str:
    """``source`` (FROM and the conditions that come first) with the calls computed above it, as FROM of the rest."""
    items = [*tables, *(f"{text} AS {called}" for text, (called, _) in block.found.items())]
    return f"FROM (SELECT {', '.join(items)} {source}) AS {name}".replace("  ", " ")
