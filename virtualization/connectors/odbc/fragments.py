"""A statement for an ODBC source, ready to run."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from virtualization.connectors.odbc.client import Client
from virtualization.connectors.odbc.rows import Columns, Output
from virtualization.fragments import RowsThroughOpen
from virtualization.pieces import Pieces
from virtualization.plan import Batches, OutputColumn, QueryContext


@dataclass(frozen=True)
class StatementFragment(RowsThroughOpen):
    """See ``virtualization.plan.Fragment``."""

    source: str
    columns: tuple[OutputColumn, ...]
    text: str
    tables: tuple[tuple[str, str], ...]
    what: str
    """The remote objects, for messages."""

    outputs: tuple[Output, ...] = field(repr=False)
    client: Client = field(repr=False, compare=False)

    def open(self, context: QueryContext) -> Batches:
        """One session of the pool, one statement, batches as they come."""
        return self.client.stream(self.text, Columns(self.outputs), self.what, context)

    @property
    def statement_text(self) -> str:
        """See ``virtualization.templates``: integers stand in it as they do in the query."""
        return self.text

    def with_text(self, text: Pieces) -> StatementFragment:
        """The same statement with other constants."""
        return replace(self, text=text.text)
