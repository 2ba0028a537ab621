"""The connector's answers; see ``virtualization.plan.Connector``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlglot import exp

from virtualization.catalog import DataSource, VirtualTable
from virtualization.connectors.odbc.capabilities import Capabilities
from virtualization.connectors.odbc.client import Client
from virtualization.connectors.odbc.fragments import StatementFragment
from virtualization.connectors.odbc.metadata import Metadata
from virtualization.connectors.odbc.options import Settings, settings
from virtualization.connectors.odbc.passthrough import passthrough
from virtualization.connectors.odbc.queries import query_statement, row_expressions
from virtualization.connectors.odbc.rows import Output, columns
from virtualization.connectors.odbc.scans import scan_statement
from virtualization.connectors.odbc.tables import Tables
from virtualization.errors import DefinitionError
from virtualization.passthrough import OwnSession
from virtualization.plan import Accepted, Declined, Detected, FragmentRequest, Kept, QueryContext, RemoteObject, Scanned, TestedSource
from virtualization.refusal import RefusedError


class OdbcConnector:
    """Thread-safe; connects on first use. ``checked``: of a connector that stands on this one, its own reading of the definition."""

    def __init__(self, source: DataSource, checked: Settings | None = None) -> None:
        self._settings = checked or settings(source)
        self._metadata = Metadata(self._settings)
        self._client = Client(self._settings, self._known)

    def test(self) -> TestedSource:
        """One round trip on an open session."""
        facts = self._metadata.facts()
        return TestedSource(f"{facts.product} {facts.version} (driver {facts.driver})", self._client.round_trip("SELECT 1 AS one"))

    def objects(self, schema: str | None = None) -> Sequence[RemoteObject]:
        """Tables and views."""
        return self._metadata.objects(schema)

    def detect(self, location: str, options: Mapping[str, str]) -> Detected:
        """Columns and NOT NULL, as the driver tells them."""
        if options:
            raise DefinitionError(f'a table of an ODBC source takes no option "{next(iter(options))}"')
        return self._metadata.detect(location)

    def scan(self, table: VirtualTable, columns: Sequence[str], predicates: Sequence[exp.Expression]) -> Scanned:
        """Columns and the predicates that mean the same there. No column asked for: the first one (rows are what counts)."""
        named = {table.name: table}
        names = list(columns) or [table.columns[0].name]
        off = self._stays(predicates[0]) if predicates else None
        tables = self._tables(named)
        wanted = [] if off is not None else predicates
        text, outputs, left, kept = scan_statement(tables, table.name, names, wanted, row_expressions(tables).conditions)
        if off is not None:
            left, kept = tuple(predicates), (off,)
        return Scanned(self._fragment(text, outputs, named), left, kept)  # type: ignore[arg-type]

    def push(self, request: FragmentRequest) -> Accepted | Declined:
        """The whole request, or nothing."""
        off = self._stays(request.query)
        if off is not None:
            return Declined((off,))
        try:
            text, outputs = query_statement(request.query, self._tables(request.tables), request.tables)
        except RefusedError as refused:
            return Declined((refused.kept,))
        return Accepted(self._fragment(text, outputs, request.tables))

    def passthrough(self, text: str, context: QueryContext) -> OwnSession:
        """See ``virtualization.passthrough``."""
        return passthrough(self._settings, self._known(), text, context)

    def close(self) -> None:
        """End idle sessions now, busy ones when their statement ends."""
        self._client.close()

    def _known(self) -> Capabilities:
        return self._metadata.facts().capabilities

    def _tables(self, named: Mapping[str, VirtualTable]) -> Tables:
        return Tables(named, self._metadata, self._settings.source)

    def _stays(self, what: exp.Expr) -> Kept | None:
        if not self._settings.pushdown:
            return Kept(what.sql("postgres"), "switched_off", "the source's option pushdown is off", "ALTER the source: pushdown on")
        facts = self._metadata.facts()
        if facts.capabilities.knows:
            return None
        return Kept(
            what.sql("postgres"),
            "no_capabilities",
            f"nothing is known of ODBC driver {facts.driver} over {facts.product}: only columns are chosen there",
            "A file for the driver in virtualization/connectors/odbc/drivers says what means the same there.",
        )

    def _fragment(self, text: str, outputs: tuple[Output, ...], named: Mapping[str, VirtualTable]) -> StatementFragment:
        objects = sorted({table.location for table in named.values()})
        return StatementFragment(
            source=self._settings.source,
            columns=columns(outputs),
            text=text,
            tables=tuple(sorted({table.key for table in named.values()})),
            what=f"{'table' if len(objects) == 1 else 'tables'} {', '.join(objects)}",
            outputs=outputs,
            client=self._client,
        )
