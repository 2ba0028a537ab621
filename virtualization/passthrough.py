"""What a connector may offer besides ``virtualization.plan.Connector``: to run a text of the source's own language as it is."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from virtualization.plan import Batches, QueryContext


@runtime_checkable
class Passthrough(Protocol):
    """A connector that has this method takes such texts; the others need not know of it."""

    def passthrough(self, text: str, context: QueryContext) -> Batches:
        """The rows of one query, each a JSON object, in the only column (text). It may read only, and nothing that it does to its session
        may meet another statement. SourceError as of any statement."""
        ...
