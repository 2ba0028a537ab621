"""A statement for an Oracle source, ready to run."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from virtualization.connectors.oracle import narrowing
from virtualization.connectors.oracle.client import Client
from virtualization.connectors.oracle.statements import Output
from virtualization.fragments import RowsThroughOpen
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
    utf8: bool
    most_keys: int = narrowing.MOST_KEYS
    """See ``virtualization.plan.TakesKeys``."""

    def open(self, context: QueryContext) -> Batches:
        """One session of the pool, one statement, batches as they come."""
        return self.client.stream(self.text, self.outputs, self.what, context)

    def with_keys(self, column: str, keys: Any) -> StatementFragment:  # noqa: ANN401 an Arrow array
        """See ``virtualization.plan.TakesKeys``."""
        text = narrowing.narrowed(self.text, self.outputs, column, keys, self.utf8)
        return self if text is None else replace(self, text=text)
