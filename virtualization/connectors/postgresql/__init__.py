"""The connector ``postgresql``: any PostgreSQL from version 12 on as a source.

Location ``postgresql://host:port/database``; options: see ``options.Settings``. What it takes over is listed in ``rewrites``.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence

from sqlglot import exp

from virtualization.catalog import DataSource, VirtualTable
from virtualization.connectors.postgresql import facts as remote_facts
from virtualization.connectors.postgresql import parallel, remote_sql, rewrites
from virtualization.connectors.postgresql.client import Client
from virtualization.connectors.postgresql.facts import Facts
from virtualization.connectors.postgresql.fences import fenced
from virtualization.connectors.postgresql.fragments import StatementFragment
from virtualization.connectors.postgresql.options import settings
from virtualization.connectors.postgresql.passthrough import passthrough
from virtualization.connectors.postgresql.remote_catalog import remote_columns, remote_objects, table_pages
from virtualization.connectors.postgresql.types import described
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
from virtualization.source_options import PUSHDOWN, pushdown_of
from virtualization.types import PgType, pg_type

PAGES_SECONDS = 60.0
"""A table's size is asked for again after so long."""


class PostgresqlConnector:
    """See ``virtualization.plan.Connector``. Thread-safe; connects on first use."""

    def __init__(self, source: DataSource) -> None:
        self._settings = settings(source)
        self._client = Client(self._settings)
        self._lock = threading.Lock()
        self._facts: Facts | None = None
        self._pages: dict[str, tuple[float, int]] = {}

    def test(self) -> TestedSource:
        """One round trip on an open session."""
        version = self._known().version_text
        start = time.perf_counter()
        self._client.rows("SELECT 1 AS one", "a round trip")
        return TestedSource(version, (time.perf_counter() - start) * 1000)

    def objects(self, schema: str | None = None) -> Sequence[RemoteObject]:
        """Tables and views."""
        return remote_objects(self._client, schema)

    def detect(self, location: str, options: Mapping[str, str]) -> Detected:
        """Columns, NOT NULL and the planner's row estimate."""
        unknown = next((name for name in options if name != PUSHDOWN), None)
        if unknown is not None:
            raise DefinitionError(f'a table of a PostgreSQL source takes no option "{unknown}"', hint=f"Known options: {PUSHDOWN}.")
        pushdown_of(options, f"table {location}")
        return remote_columns(self._client, location)

    def scan(self, table: VirtualTable, columns: Sequence[str], predicates: Sequence[exp.Expression]) -> Scanned:
        """Columns and the predicates that mean the same there. No column asked for: the first one (rows are what counts)."""
        tables = {table.name: table}
        names = list(columns) or [table.columns[0].name]
        self._check_columns(table, names)
        facts = self._known()
        # the predicates ride along as outputs, so that one pass gives types to all of them
        typed = remote_sql.annotated(_select(table, names, predicates), tables)
        taken: list[exp.Expr] = []
        left: list[exp.Expression] = []
        reasons: list[Kept] = []
        for predicate, checked in zip(predicates, typed.selects[len(names) :], strict=True):
            kept = self._switched_off(predicate) or rewrites.refusal(checked.unalias(), facts)
            if kept is None:
                taken.append(checked.unalias())
            else:
                left.append(predicate)
                reasons.append(kept)
        typed.set("expressions", typed.selects[: len(names)])
        if taken:
            typed.set("where", exp.Where(this=exp.and_(*taken, copy=False)))
        return Scanned(self._fragment(typed, tables, facts), tuple(left), tuple(reasons))

    def push(self, request: FragmentRequest) -> Accepted | Declined:
        """The whole request, or nothing."""
        kept = self._switched_off(request.query)
        if kept is not None:
            return Declined((kept,))
        stranger = remote_sql.unknown_table(request.query, request.tables)
        if stranger is not None:
            return Declined((Kept(stranger.sql("postgres"), "not_a_table", "it is no table of this source"),))
        facts = self._known()
        query = remote_sql.annotated(request.query, request.tables)
        kept = rewrites.refusal(query, facts)
        if kept is not None:
            return Declined((kept,))
        return Accepted(self._fragment(query, request.tables, facts))

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

    def _known(self) -> Facts:
        with self._lock:
            if self._facts is None:
                rows = self._client.rows(remote_facts.QUERY, "its catalog")
                self._facts = remote_facts.facts(rows[0], self._settings.source)
            return self._facts

    def _check_columns(self, table: VirtualTable, names: Sequence[str]) -> None:
        known = {column.name for column in table.columns}
        for name in names:
            if name not in known:
                raise UnknownColumnError(f'column "{name}" of virtual table "{table.schema}.{table.name}" does not exist')

    def _fragment(self, query: exp.Query, tables: Mapping[str, VirtualTable], facts: Facts) -> StatementFragment:
        objects = sorted({table.location for table in tables.values()})
        what = f"{'table' if len(objects) == 1 else 'tables'} {', '.join(objects)}"
        collated = rewrites.collate(query, facts)
        assert isinstance(collated, exp.Query)

        def transported(made: exp.Query) -> str:
            return remote_sql.with_transport(made, types, lambda inner: remote_sql.rendered(inner, tables, facts))

        types = self._types(query, tables, lambda: remote_sql.rendered(collated, tables, facts), what)
        names = [item.alias or (item.name if isinstance(item, exp.Column) else "?column?") for item in query.selects]
        return StatementFragment(
            source=self._settings.source,
            columns=tuple(OutputColumn(name, of.text) for name, of in zip(names, types, strict=True)),
            text=transported(collated),
            tables=tuple(sorted({table.key for table in tables.values()})),
            what=what,
            zoned=rewrites.looks_at_zone(query) or any(of.name == "timestamp with time zone" and of.array for of in types),
            ranged=self._ranged(collated, tables, facts, transported),
            client=self._client,
            facts=facts,
        )

    def _ranged(
        self, query: exp.Query, tables: Mapping[str, VirtualTable], facts: Facts, text: Callable[[exp.Query], str]
    ) -> parallel.Ranged | None:
        """The table of ``query`` whose pages several connections may share, where it is a big one."""
        joined = remote_sql.plainly_joined(query, tables)
        if not joined or self._settings.scan_connections == 1 or facts.version < parallel.OLDEST:
            return None
        alias, table = max(joined.items(), key=lambda one: one[1].rows or 0.0)
        pages = self._known_pages(table.location)
        if pages < self._settings.scan_pages:
            return None
        schema, name = remote_sql.location_parts(table.location)
        if len(joined) == 1:
            return parallel.Ranged(remote_sql.table_name(table), schema, name, conditional=query.args.get("where") is not None)
        behind = fenced(query, alias)
        share = pages // self._settings.scan_connections
        return parallel.Ranged(remote_sql.table_name(table), schema, name, 1, True, text(behind) if behind is not None else None, share)

    def _known_pages(self, location: str) -> int:
        asked, pages = self._pages.get(location, (-PAGES_SECONDS, 0))
        if time.monotonic() - asked >= PAGES_SECONDS:
            pages = table_pages(self._client, location)
            self._pages[location] = (time.monotonic(), pages)
        return pages

    def _types(self, query: exp.Query, tables: Mapping[str, VirtualTable], text: Callable[[], str], what: str) -> list[PgType]:
        told = remote_sql.outputs(query, tables)
        if None not in told:
            return [pg_type(of) for of in told if of is not None]
        fields = self._client.describe(text(), what)
        return [pg_type(of) if of is not None else described(field) for of, field in zip(told, fields, strict=True)]


def _select(table: VirtualTable, names: Sequence[str], predicates: Sequence[exp.Expr]) -> exp.Select:
    """Columns and predicates as outputs of one query; columns of the predicates get the table's name."""
    outputs: list[exp.Expr] = [_column(table, name) for name in names]
    for number, predicate in enumerate(predicates):
        condition = predicate.copy()
        for column in condition.find_all(exp.Column):
            column.set("table", exp.to_identifier(table.name, quoted=True))
        outputs.append(exp.alias_(exp.paren(condition, copy=False), f"predicate{number}"))
    source = exp.Table(this=exp.to_identifier(table.name, quoted=True), db=exp.to_identifier(table.schema, quoted=True))
    return exp.Select(expressions=outputs).from_(source, copy=False)


def _column(table: VirtualTable, name: str) -> exp.Column:
    return exp.column(exp.to_identifier(name, quoted=True), table=exp.to_identifier(table.name, quoted=True))
