"""``bdc.remote_query``: a text in a source's own language, run there as it is; bounded, since its rows travel as an answer to a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pools.compute.errors import StatementError
from virtualization.passthrough import Passthrough
from virtualization.plan import Connector, QueryContext

REMOTE_QUERY = "remote_query"
"""The action's name in a request."""

MOST_ROWS = 100_000
MOST_BYTES = 64 * 1024 * 1024
"""Of the rows as JSON: they are held in memory here and in the master."""

_WIDER = "Ask for less, or make a view of it at the source and a virtual table over that: its rows stream."


@dataclass(frozen=True)
class RemoteQuery:
    """``most``: rows; more are refused, not cut off."""

    user: str
    text: str
    most: int

    @classmethod
    def of(cls, content: Mapping[str, Any], user: str) -> RemoteQuery:
        """From a request; StatementError for what is missing or out of range."""
        text, most = content.get("query"), content.get("most")
        if not isinstance(text, str) or not text.strip():
            raise StatementError("22023", "bdc.remote_query: query is missing")
        if not isinstance(most, int) or not 0 < most <= MOST_ROWS:
            raise StatementError("22023", f"bdc.remote_query: most must be between 1 and {MOST_ROWS:,} rows", hint=_WIDER)
        return cls(user, text, most)

    def run(self, connector: Connector, context: QueryContext) -> list[object]:
        """Blocks; ``{"row": <a JSON object as text>}`` each. StatementError 54000 for too much, 0A000 where the connector takes no text."""
        if not isinstance(connector, Passthrough):
            raise StatementError(
                "0A000", "this kind of data source takes no text of its own language", hint="Make virtual tables over it: bdc table create."
            )
        rows: list[object] = []
        size = 0
        batches = connector.passthrough(self.text, context)
        try:
            for batch in batches:
                size += batch.nbytes
                if len(rows) + batch.num_rows > self.most or size > MOST_BYTES:
                    raise StatementError("54000", f"the source gives more than {self._limit(size)}", hint=_WIDER)
                rows += [{"row": text} for text in batch.column(0).to_pylist()]
        finally:
            batches.close()
        return rows

    def _limit(self, size: int) -> str:
        return f"{MOST_BYTES >> 20} MiB" if size > MOST_BYTES else f"{self.most:,} rows (parameter most)"
