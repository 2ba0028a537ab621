"""``bdc source verify`` inside the pool: ``virtualization.verify`` over the virtual tables of some sources, a portion at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pools.compute.errors import StatementError
from virtualization.catalog import Catalog, MemoryCatalog
from virtualization.plan import QueryContext

VERIFY = "verify"
"""The action's name in a request."""
MOST_ROWS = 10_000
"""Of one table; each portion copies them."""
MOST_SECONDS = 60.0
"""Of one portion."""


@dataclass(frozen=True)
class Wanted:
    """A portion: ``queries`` from number ``first`` of ``seed`` on, for at most ``seconds``; ``rows`` of each table."""

    catalog: MemoryCatalog
    seed: int
    first: int
    queries: int
    seconds: float
    rows: int

    @classmethod
    def of(cls, content: Mapping[str, Any], catalog: Catalog) -> Wanted:
        """From a request; StatementError for numbers out of range, DefinitionError for tables that are not there, KeyError for what is
        missing."""
        from virtualization.verify.verifier import with_tables

        chosen = with_tables(catalog, content["sources"], content["tables"])
        wanted = cls(chosen, content["seed"], content["first"], content["queries"], float(content["seconds"]), content["rows"])
        if not (0 < wanted.rows <= MOST_ROWS and 0 < wanted.seconds <= MOST_SECONDS and wanted.queries > 0 and wanted.first >= 0):
            raise StatementError(
                "22023", f"one portion takes up to {MOST_SECONDS:g} s, {MOST_ROWS:,} rows of a table, and at least one query"
            )
        return wanted

    def run(
        self, engine: object, scratch: str | None, contexts: Callable[[], QueryContext], stopped: Callable[[], bool]
    ) -> dict[str, object]:
        """Blocks; the report as data, with ``text`` for people."""
        from virtualization.engine import Engine
        from virtualization.verify.verifier import Bounds, verification

        if scratch is None or not isinstance(engine, Engine):
            raise StatementError("0A000", "this compute pool has no scratch PostgreSQL to compare with")
        bounds = Bounds(self.seed, self.queries, self.first, self.seconds, self.rows, shrink_seconds=30.0)
        with verification(engine, self.catalog, scratch, bounds, contexts) as prepared:
            report = prepared.run(bounds, stopped=stopped)
        return {**report.json(), "text": report.text()}
