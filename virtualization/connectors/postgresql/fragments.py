"""A statement for a PostgreSQL source, ready to run."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from virtualization.connectors.postgresql import narrowing
from virtualization.connectors.postgresql.client import Client
from virtualization.connectors.postgresql.facts import Facts
from virtualization.connectors.postgresql.key_ranges import Keyed
from virtualization.connectors.postgresql.parallel import ParallelRows, Ranged, Scan
from virtualization.fragments import RowsThroughOpen
from virtualization.pieces import Pieces
from virtualization.plan import Batches, OutputColumn, QueryContext
from virtualization.types import arrow_field


@dataclass(frozen=True)
class StatementFragment(RowsThroughOpen):
    """See ``virtualization.plan.Fragment``."""

    source: str
    columns: tuple[OutputColumn, ...]
    text: str
    tables: tuple[tuple[str, str], ...]
    what: str
    """The remote objects, for messages."""

    zoned: bool = False
    """Does it look at the session's time zone? It is then the caller's."""

    ranged: Ranged | None = None
    """Of a scan of a big table, or its join with smaller ones: it may be read in ranges."""

    narrowed: bool = False
    """Were keys added to the text?"""

    keyed: Keyed | None = None
    """Of a statement about one table that was asked for many keys: they may be shared among connections."""

    client: Client = field(repr=False, compare=False, kw_only=True)
    facts: Facts = field(repr=False, compare=False, kw_only=True)
    most_keys: int = narrowing.MOST_KEYS
    """See ``virtualization.plan.TakesKeys``."""

    def open(self, context: QueryContext) -> Batches:
        """One session of the pool, one statement, batches as they come; several for a big table."""
        zone = context.timezone if self.zoned else None
        if self.ranged is not None and self.ranged.pays(self.client, self.text, self.what, context):
            return ParallelRows(self.client, Scan(self.ranged.fenced or self.text, self.ranged), self._schema(), self.what, context, zone)
        if self.keyed is not None:
            return ParallelRows(self.client, self.keyed, self._schema(), self.what, context, zone)
        return self.client.stream(self.text, self._schema(), self.what, context, zone)

    def ranges(self) -> str | None:
        """See ``virtualization.plan.ReadInRanges``."""
        if self.ranged is None:
            return None
        settings = self.client.settings
        connections = min(settings.scan_connections, settings.max_connections)
        of = "" if self.ranged.alone else f" of {self.ranged.table}"
        unless = ", unless the source knows a shorter way to the rows of the condition" if self.ranged.conditional else ""
        shared = " (then each of them looks for its share of the keys)" if self.keyed is not None else ""
        first = ", its own conditions first (OFFSET 0, work_mem 8MB)" if self.ranged.fenced is not None else ""
        return f"ranges of ctid{of}{first} over up to {connections} connections, in one snapshot{unless}{shared}"

    @property
    def statement_text(self) -> str:
        """See ``virtualization.templates``."""
        return self.text

    def with_text(self, text: Pieces) -> StatementFragment:
        """The same statement with other constants."""
        if self.ranged is None or self.ranged.fenced is None:
            return replace(self, text=text.text, keyed=None)
        return replace(self, text=text.text, keyed=None, ranged=self.ranged.other())

    def with_keys(self, column: str, keys: Any) -> StatementFragment:  # noqa: ANN401 an Arrow array
        """See ``virtualization.plan.TakesKeys``."""
        condition = narrowing.condition(self.columns, column, keys, self.facts)
        if condition is None:
            return self
        text = narrowing.with_condition(self.text, self.columns, condition, again=self.narrowed)
        return replace(self, text=text, ranged=self.ranged and self.ranged.other(), narrowed=True, keyed=self._keyed(column, keys))

    def _keyed(self, column: str, keys: Any) -> Keyed | None:  # noqa: ANN401 an Arrow array
        """Shares of the keys, where they are many. Of a join no: each connection would do again what is not about the keys."""
        if self.ranged is None or not self.ranged.alone:
            return None
        settings = self.client.settings
        connections = min(settings.scan_connections, settings.max_connections)
        made = Keyed(self.text, self.columns, column, keys, self.facts, self.narrowed, connections)
        return made if made.pays() else None

    def _schema(self) -> pa.Schema:
        return pa.schema([arrow_field(column.name, column.type) for column in self.columns])
