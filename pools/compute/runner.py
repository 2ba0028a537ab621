"""What the service asks of the virtualization library, as Protocols: ``virtualization.engine.Engine`` is the real one."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from sqlglot import exp

from virtualization.catalog import Catalog, DataSource
from virtualization.plan import Connector, OutputColumn, Plan, QueryContext, Result


class Explanation(Protocol):
    """How a query would be carried out."""

    def text(self) -> str:
        """Lines for people."""
        ...

    def json(self) -> dict[str, object]:
        """The same as data."""
        ...


class QueryRunner(Protocol):
    """Plans and runs queries; thread-safe; every method may block."""

    def plan(self, sql: str | exp.Query, catalog: Catalog) -> Plan:
        """Parse, bind and cut into fragments."""
        ...

    def run(self, plan: Plan, context: QueryContext) -> Result:
        """Start; the rows stream."""
        ...

    def describe(self, plan: Plan) -> tuple[OutputColumn, ...]:
        """The columns of a plan's result."""
        ...

    def explain(self, sql: str | exp.Query, catalog: Catalog, context: QueryContext | None = None, analyze: bool = False) -> Explanation:
        """How the query would be carried out; ``analyze`` runs it."""
        ...

    def connector(self, source: DataSource) -> Connector:
        """The (cached) connector of a source."""
        ...

    def retain(self, sources: Collection[DataSource]) -> None:
        """Close the connectors of all other sources."""
        ...

    def close(self) -> None:
        """Free everything."""
        ...
