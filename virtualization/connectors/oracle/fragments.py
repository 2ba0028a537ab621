"""A statement for an Oracle source, ready to run."""

from __future__ import annotations

from dataclasses import dataclass, field

from virtualization.connectors.oracle.client import Client
from virtualization.connectors.oracle.statements import Output
from virtualization.plan import Batches, OutputColumn, QueryContext


@dataclass(frozen=True)
class StatementFragment:
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
        return self.client.stream(self.text, self.outputs, self.what, context)

    def duckdb_sql(self) -> None:
        """Rows come through ``open``."""
        return

    def prepare_duckdb(self, connection: object) -> None:
        """Nothing to register."""

    def fault(self, error: Exception) -> None:
        """Nothing of it runs inside an engine."""
        return
