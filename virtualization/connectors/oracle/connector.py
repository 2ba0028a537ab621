"""The connector's answers; see ``virtualization.plan.Connector``."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence

from sqlglot import exp

from virtualization.catalog import DataSource, VirtualTable
from virtualization.connectors.oracle import facts as remote_facts
from virtualization.connectors.oracle.client import Client
from virtualization.connectors.oracle.facts import Facts
from virtualization.connectors.oracle.fragments import StatementFragment
from virtualization.connectors.oracle.options import settings
from virtualization.connectors.oracle.passthrough import passthrough
from virtualization.connectors.oracle.remote_catalog import RemoteTables, detect, remote_objects
from virtualization.connectors.oracle.statements import Query, Statements
from virtualization.errors import DefinitionError, UnknownColumnError
from virtualization.passthrough import OwnSession
from virtualization.plan import (
    Accepted,
    Declined,
    Detected,
    FragmentRequest,
    Kept,
    OutputColumn,
    QueryContext,
    RemoteObject,
    Scanned,
    TestedSource,
)
from virtualization.refusal import RefusedError


class OracleConnector:
    """See ``virtualization.plan.Connector``. Thread-safe; connects on first use."""

    def __init__(self, source: DataSource) -> None:
        self._settings = settings(source)
        self._client = Client(self._settings, lambda: self._tables.forget())
        self._tables = RemoteTables(self._client)
        self._lock = threading.Lock()
        self._facts: Facts | None = None

    def test(self) -> TestedSource:
        """One round trip on an open session."""
        version = self._known().version
        start = time.perf_counter()
        self._client.rows("SELECT 1 AS one FROM dual", [], "a round trip")
        return TestedSource(f"Oracle {version}", (time.perf_counter() - start) * 1000)

    def objects(self, schema: str | None = None) -> Sequence[RemoteObject]:
        """Tables and views."""
        return remote_objects(self._client, schema)

    def detect(self, location: str, options: Mapping[str, str]) -> Detected:
        """Columns, NOT NULL and the optimizer's row count."""
        if options:
            raise DefinitionError(f'a table of an Oracle source takes no option "{next(iter(options))}"')
        self._tables.forget()
        return detect(self._client, self._tables, location, self._known())

    def scan(self, table: VirtualTable, columns: Sequence[str], predicates: Sequence[exp.Expression]) -> Scanned:
        """Columns and the predicates that mean the same there. No column asked for: the first one (rows are what counts)."""
        names = list(columns) or [table.columns[0].name]
        known = {column.name for column in table.columns}
        for name in names:
            if name not in known:
                raise UnknownColumnError(f'column "{name}" of virtual table "{table.schema}.{table.name}" does not exist')
        taken: list[exp.Expr] = []
        left: list[exp.Expression] = []
        reasons: list[Kept] = []
        for predicate in predicates:
            kept = self._switched_off(predicate) or self._refusal(table, predicate)
            if kept is None:
                taken.append(predicate)
            else:
                left.append(predicate)
                reasons.append(kept)
        made = self._made(_select(table, names, taken), {table.name: table})
        return Scanned(self._fragment(made, {table.name: table}), tuple(left), tuple(reasons))

    def push(self, request: FragmentRequest) -> Accepted | Declined:
        """The whole request, or nothing."""
        kept = self._switched_off(request.query)
        if kept is not None:
            return Declined((kept,))
        try:
            return Accepted(self._fragment(self._made(request.query, request.tables), request.tables))
        except RefusedError as refused:
            return Declined((refused.kept,))

    def passthrough(self, text: str, context: QueryContext) -> OwnSession:
        """See ``virtualization.passthrough``."""
        return passthrough(self._settings, text, context)

    def close(self) -> None:
        """End idle sessions now, busy ones when their statement ends."""
        self._client.close()

    def _switched_off(self, what: exp.Expr) -> Kept | None:
        if self._settings.pushdown:
            return None
        return Kept(what.sql("postgres"), "switched_off", "the source's option pushdown is off", "ALTER the source: pushdown on")

    def _refusal(self, table: VirtualTable, predicate: exp.Expr) -> Kept | None:
        try:
            self._made(_select(table, [table.columns[0].name], [predicate]), {table.name: table})
        except RefusedError as refused:
            return refused.kept
        return None

    def _known(self) -> Facts:
        with self._lock:
            if self._facts is None:
                rows = self._client.rows(remote_facts.QUERY, [], "its catalog")
                self._facts = remote_facts.facts(rows, self._client.version(), self._settings.source)
            return self._facts

    def _made(self, query: exp.Query, tables: Mapping[str, VirtualTable]) -> Query:
        facts = self._known()
        return Statements(tables, lambda table, alias: self._tables.values(table, alias, facts), facts.utf8).whole(query)

    def _fragment(self, made: Query, tables: Mapping[str, VirtualTable]) -> StatementFragment:
        objects = sorted({table.location for table in tables.values()})
        return StatementFragment(
            source=self._settings.source,
            columns=tuple(OutputColumn(output.name, output.value.pg) for output in made.outputs),
            text=made.text,
            tables=tuple(sorted({table.key for table in tables.values()})),
            what=f"{'table' if len(objects) == 1 else 'tables'} {', '.join(objects)}",
            outputs=made.outputs,
            client=self._client,
            utf8=self._known().utf8,
        )


def _select(table: VirtualTable, names: Sequence[str], predicates: Sequence[exp.Expr]) -> exp.Select:
    """Columns of a table under conditions; columns of the predicates get the table's name."""
    source = exp.Table(this=exp.to_identifier(table.name, quoted=True), db=exp.to_identifier(table.schema, quoted=True))
    query = exp.Select(expressions=[exp.column(name, table=table.name, quoted=True) for name in names]).from_(source, copy=False)
    conditions = []
    for predicate in predicates:
        condition = predicate.copy()
        for column in condition.find_all(exp.Column):
            column.set("table", exp.to_identifier(table.name, quoted=True))
        conditions.append(condition)
    return query.where(exp.and_(*conditions, copy=False), copy=False) if conditions else query
