"""A statement for a PostgreSQL source, ready to run."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from virtualization.connectors.postgresql import narrowing
from virtualization.connectors.postgresql.client import Client
from virtualization.connectors.postgresql.facts import Facts
from virtualization.connectors.postgresql.parallel import ParallelRows, Scan, reads_in_sequence
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

    table: str | None = None
    """Of a plain scan of a big table, as it stands in the text: it may be read in ranges, see ``parallel``."""

    filtered: bool = False
    """Has the scan a condition? The source may know a shorter way to its rows then."""

    narrowed: bool = False
    """Were keys added to the text?"""

    client: Client = field(repr=False, compare=False, kw_only=True)
    facts: Facts = field(repr=False, compare=False, kw_only=True)
    most_keys: int = narrowing.MOST_KEYS
    """See ``virtualization.plan.TakesKeys``."""

    def open(self, context: QueryContext) -> Batches:
        """One session of the pool, one statement, batches as they come; several for a big table."""
        zone = context.timezone if self.zoned else None
        if self.table is not None and not (self.filtered and not reads_in_sequence(self.client, self.text, self.what)):
            return ParallelRows(self.client, Scan(self.text, self.table), self._schema(), self.what, context, zone)
        return self.client.stream(self.text, self._schema(), self.what, context, zone)

    def ranges(self) -> str | None:
        """See ``virtualization.plan.ReadInRanges``."""
        if self.table is None:
            return None
        settings = self.client.settings
        connections = min(settings.scan_connections, settings.max_connections)
        unless = ", unless the source knows a shorter way to the rows of the condition" if self.filtered else ""
        return f"ranges of ctid over up to {connections} connections, in one snapshot{unless}"

    @property
    def statement_text(self) -> str:
        """See ``virtualization.templates``."""
        return self.text

    def with_text(self, text: Pieces) -> StatementFragment:
        """The same statement with other constants."""
        return replace(self, text=text.text)

    def with_keys(self, column: str, keys: Any) -> StatementFragment:  # noqa: ANN401 an Arrow array
        """See ``virtualization.plan.TakesKeys``."""
        condition = narrowing.condition(self.columns, column, keys, self.facts)
        if condition is None:
            return self
        return replace(
            self, text=narrowing.with_condition(self.text, self.columns, condition, again=self.narrowed), table=None, narrowed=True
        )

    def _schema(self) -> pa.Schema:
        return pa.schema([arrow_field(column.name, column.type) for column in self.columns])
