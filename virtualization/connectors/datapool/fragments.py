"""A query over data-pool tables, ready to run: a statement for each of some shards, and what is done with their rows here."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from virtualization.connectors.datapool.access import Sign
from virtualization.connectors.datapool.client import Choices, Client
from virtualization.connectors.datapool.faults import ShardError
from virtualization.connectors.datapool.merge import Carried, Engine, Merged, schema_of_columns
from virtualization.connectors.datapool.pruning import shards_of
from virtualization.connectors.datapool.rows import Layout
from virtualization.connectors.datapool.snapshot import claims, read_state, sure
from virtualization.connectors.datapool.statements import Statement
from virtualization.connectors.datapool.tickets import Tickets
from virtualization.duckdb_sql.kinds import Kind
from virtualization.duckdb_sql.statements import placeholder
from virtualization.errors import SourceUnreachableError
from virtualization.fragments import RowsThroughOpen
from virtualization.pieces import Pieces
from virtualization.placement import ReadState
from virtualization.plan import Batches, OutputColumn, QueryContext
from virtualization.types import pg_type

_TURNS = itertools.count()
"""Spreads queries over the shards that have all rows of replicated tables."""

_SEPARATOR = "\x1f"


@dataclass(frozen=True)
class Route:
    """``shards`` that are asked; ``any_one``: only one of them, whichever. ``of``: how many hold rows of the tables; ``why`` not all.
    ``key``: the layout and values of the one key that is asked for, where that alone decides."""

    shards: tuple[int, ...]
    any_one: bool
    of: int
    why: str = ""
    key: tuple[Layout, tuple[int | str, ...]] | None = None

    @property
    def fixed(self) -> bool:
        """Is it the same whatever constants the query has?"""
        return self.key is None and not self.why

    def with_key(self, why: str, values: Sequence[int | str]) -> Route:
        """To the shard of another key."""
        assert self.key is not None
        layout = self.key[0]
        return replace(self, shards=tuple(sorted(shards_of(layout, [values]))), why=why, key=(layout, tuple(values)))

    def in_words(self) -> str:
        """For EXPLAIN."""
        if self.any_one:
            return f"on one of {_numbered(self.shards)}, which have all rows"
        because = f" of {self.of}, because {self.why}" if self.why and len(self.shards) < self.of else f" of {self.of}"
        return f"on {_numbered(self.shards)}{because}"

    def now(self) -> list[tuple[int, ...]]:
        """The streams of this time: the shards that each of them may come from, the first by preference."""
        if not self.any_one:
            return [(shard,) for shard in self.shards]
        first = next(_TURNS) % len(self.shards)
        return [self.shards[first:] + self.shards[:first]]


@dataclass(frozen=True)
class Merge:
    """``sql``: DuckDB's over the shards' rows, None: the rows as they are, ``first`` = (offset, limit) of them."""

    sql: str | None
    kinds: tuple[Kind, ...]
    first: tuple[int, int | None] = (0, None)

    def lines(self) -> Iterator[str]:
        """For EXPLAIN."""
        if self.sql is not None:
            yield "merged here by DuckDB"
            yield "  " + self.sql.replace(placeholder(0), "shards")
        elif self.first != (0, None):
            yield f"rows as they come, {self.first[1]} after the first {self.first[0]}"


@dataclass(frozen=True)
class ShardsFragment(RowsThroughOpen):
    """See ``virtualization.plan.Fragment``."""

    source: str
    columns: tuple[OutputColumn, ...]
    tables: tuple[tuple[str, str], ...]
    statement: Statement
    route: Route
    merge: Merge
    client: Client = field(repr=False, compare=False)
    engine: Engine = field(repr=False, compare=False)
    tickets: Tickets = field(repr=False, compare=False)

    @property
    def text(self) -> str:
        """Which shards are asked, what each of them receives, what is done with their rows."""
        lines = [self.route.in_words(), "  " + self.statement.shown, *self.merge.lines()]
        return "\n".join(lines)

    def open(self, context: QueryContext) -> Batches:
        """Ask the shards."""
        brief = self.route.key is not None
        # a brief answer is computed by the time its schema is there; any other one tells the schema first, so that it can be left
        rows: Batches = self.client.open(self._streams(context, {"types": None} if brief else {}), context, brief=brief)
        schema = schema_of_columns(self.columns)
        if self.merge.sql is None:
            return Carried(rows, self.merge.kinds, schema, self.merge.first)
        return Carried(Merged(self.engine.cursor(), self.merge.sql, rows, context), self.merge.kinds, schema)

    def parts(self, context: QueryContext) -> list[tuple[int, str]] | None:
        """(shard, read ticket) of streams that together are the rows, for readers that ask the shards themselves: in the order and types
        of ``columns``, ``pg:type`` included. None where something must be done with the rows here."""
        plain = all(
            kind.name != "quotient" and (kind.name != "decimal" or not pg_type(kind.pg).travels_as_text) for kind in self.merge.kinds
        )
        if self.merge.sql is not None or self.merge.first != (0, None) or not plain or len(self.statement.kinds) != len(self.columns):
            return None
        state, more = self._state(context), {"output": [column.type for column in self.columns]}
        numbers = [number for number in self.answering() if sure(state, [number])]
        return [(number, self.sign({**claims(self.statement, state, self.identities, number), **more})) for number in numbers]

    def answering(self) -> list[int]:
        """The shards whose streams together are the rows, for readers that can't go elsewhere: of those that have the same rows, one that
        answers and has them still."""
        return [next(filter(self._answers, numbers[:-1]), numbers[-1]) for numbers in self.route.now()]

    def _streams(self, context: QueryContext, more: Mapping[str, Any]) -> list[Choices]:
        state, text = self._state(context), self._sampled(context)
        beside = " " + ",".join(map(str, text.values)) if text.values else ""

        def ticket(number: int) -> bytes:
            made = self.tickets.ticket(
                (number, text.texts, state), lambda: {**claims(self.statement, state, self.identities, number), **more, "sql": text.texts}
            )
            return (made + beside).encode()

        return [[(number, ticket(number)) for number in sure(state, numbers)] for numbers in self.route.now()]

    def _sampled(self, context: QueryContext) -> Pieces:
        """The statement; where a sample of its rows suffices the shards draw it."""
        text, alone = self.statement.text, self.merge.sql is None and self.merge.first == (0, None)
        share = context.take_sample() if alone else None
        if share is None:
            return text
        texts = ["SELECT * FROM (" + text.texts[0], *text.texts[1:]]
        texts[-1] += f") WHERE random() < {share!r}"
        return Pieces(tuple(texts), text.values)

    def _state(self, context: QueryContext) -> ReadState:
        return read_state(context, [table.data for table in self.statement.tables])

    @property
    def sign(self) -> Sign:
        """Signs a ticket of its own."""
        return self.tickets.sign

    @property
    def identities(self) -> dict[int, str]:
        """Of the shards, by number."""
        return {shard.number: shard.id for table in self.statement.tables for shard in table.data.shards}

    def _answers(self, number: int) -> bool:
        try:
            return bool(self.client.hello(number)["shard"] == self.identities[number])
        except (ShardError, SourceUnreachableError):
            return False

    @property
    def statement_text(self) -> str | None:
        """See ``virtualization.templates``: shard's text, merge's text, the reason for the route, the key's values."""
        if self.route.key is None and not self.route.fixed:
            return None
        key = list(self.route.key[1]) if self.route.key is not None else None
        parts = (self.statement.sql, self.merge.sql or "", self.route.why, json.dumps(key))
        return None if any(_SEPARATOR in part for part in parts) else _SEPARATOR.join(parts)

    def with_text(self, text: Pieces) -> ShardsFragment:
        """The same for other constants."""
        sql, merge, why, key = text.split(_SEPARATOR)
        route = self.route if self.route.key is None else self.route.with_key(why.text, json.loads(key.text))
        merged = replace(self.merge, sql=merge.text) if merge.values else self.merge
        return replace(self, statement=replace(self.statement, text=sql), merge=merged, route=route)


def _numbered(shards: tuple[int, ...]) -> str:
    return f"{'shard' if len(shards) == 1 else 'shards'} {', '.join(map(str, shards))}"
