"""The run: choose and copy the tables, ask statement after statement on all sides, shrink what differs, report.

Nothing but SELECTs reaches a source. Of a table with more than ``Bounds.rows`` rows a part is taken by a condition on one of its columns
that stands in every statement, so that it is the same part on all sides.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pyarrow as pa

from virtualization.catalog import Catalog, MemoryCatalog, VirtualTable
from virtualization.engine import Engine
from virtualization.errors import DefinitionError, VirtualizationError
from virtualization.plan import QueryContext
from virtualization.source_options import FORCED
from virtualization.verify.copies import Copies
from virtualization.verify.judge import Judge
from virtualization.verify.kinds import Kind, kind_of, literal
from virtualization.verify.report import Finding, Report
from virtualization.verify.shrink import shrink
from virtualization.verify.sides import Contexts, EngineSide, without_pushdown
from virtualization.verify.statements import FAMILY, Statements
from virtualization.verify.tables import TableFacts, quoted

SAMPLED_BY = (Kind.INTEGER, Kind.DATE, Kind.TIMESTAMP, Kind.NUMERIC)
PROGRESS_SECONDS = 5.0

ZONES = ("UTC", "UTC", "UTC", "UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu")
"""Of the session; which one depends on the statement's number."""

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Bounds:
    """``queries`` at most, within ``seconds`` (None: as long as they take), from number ``first`` of ``seed`` on.
    ``rows``: of one table; ``query_seconds``: of one query on one side; ``findings``: after so many differences a run ends, as the next
    ones are mostly the same again."""

    seed: int
    queries: int = 1000
    first: int = 0
    seconds: float | None = None
    rows: int = 1000
    query_seconds: float = 10.0
    shrink_seconds: float = 60.0
    findings: int = 5


class Verification:
    """Tables that were copied, and judges over them that take turns."""

    def __init__(self, judges: Sequence[Judge], tables: list[TableFacts], notes: list[str]) -> None:
        self.judges = tuple(judges)
        self.tables = tables
        self.notes = notes

    def run(self, bounds: Bounds, progress: Progress = lambda text: None, stopped: Callable[[], bool] = lambda: False) -> Report:
        """Ask and compare."""
        report = Report(bounds.seed, tables={table.name: table.rows for table in self.tables}, notes=list(self.notes))
        statements, begun = Statements(self.tables, bounds.seed), time.monotonic()
        shown = begun
        for number in range(bounds.first, bounds.first + bounds.queries):
            now = time.monotonic()
            if stopped() or (bounds.seconds is not None and now - begun >= bounds.seconds) or report.differences >= bounds.findings:
                break
            if now - shown >= PROGRESS_SECONDS:
                shown = now
                progress(f"{report.queries:,} of {bounds.queries:,} queries, {report.differences} differences, {now - begun:.0f} s")
            self.ask(statements.statement(number), number, report, bounds)
        report.seconds = time.monotonic() - begun
        return report

    def ask(self, sql: str, number: int, report: Report, bounds: Bounds) -> None:
        """One statement."""
        judge, zone = self.judges[number // FAMILY % len(self.judges)], ZONES[number % len(ZONES)]
        judge.settle(zone)
        verdicts = judge.verdicts(sql)
        report.count(verdicts, self._sources(sql))
        wrong = next((verdict for verdict in verdicts if verdict.different), None)
        if wrong is None:
            return
        side = next(side for side in judge.sides if side.name == wrong.side)
        moved = self._moved(zone)
        if moved:
            raise DefinitionError(f"{', '.join(moved)} changed at the source during the run", hint="Run it again while nobody writes.")
        small = shrink(sql, lambda text: judge.verdict(text, side).kind == wrong.kind, seconds=bounds.shrink_seconds)
        what = judge.verdict(small, side).what or wrong.what
        report.findings.append(Finding(number, side.name, what, sql, small, side.explain(small), zone))

    def _sources(self, sql: str) -> tuple[str, ...]:
        """Whose tables the statement names: a column stands behind its table's alias and a dot."""
        return tuple(sorted({table.source for table in self.tables if f" {table.name} " in sql}))

    def _moved(self, zone: str) -> list[str]:
        """Tables whose rows are no longer those that were copied."""
        judge = self.judges[0]
        judge.settle(zone)
        return [table.name for table in self.tables if judge.verdict(f"SELECT * FROM {table.from_item('a')}", judge.sides[0]).different]


@contextmanager
def verification(
    engine: Engine, catalog: Catalog, scratch_dsn: str, bounds: Bounds, contexts: Contexts = QueryContext
) -> Iterator[Verification]:
    """Copy the tables of ``catalog``. DefinitionError where none can be had."""
    known = _by_name(catalog)
    with Copies(scratch_dsn, bounds.query_seconds) as copies:
        pushed = EngineSide("pushdown on", engine, known, contexts, bounds.query_seconds)
        tables: list[TableFacts] = []
        notes = [
            f"{table.schema}.{table.name} is left out: another table has the same name"
            for table in catalog.tables()
            if table not in known.tables()
        ]
        read_here: dict[tuple[str, str], pa.Table] = {}
        for table in known.tables():
            try:
                facts, rows = copied(table, pushed, copies, bounds.rows)
            except VirtualizationError as error:
                notes.append(f"{table.name} is left out: {error.message}")
                continue
            tables.append(facts)
            read_here[table.key] = rows
            if facts.sample is not None:
                notes.append(f"{table.name} is too large: the {facts.rows:,} rows with {facts.sample} take part")
        if not tables:
            raise DefinitionError("there is no table to verify", detail="; ".join(notes) or None)
        copies.finish()
        plain = EngineSide("pushdown off", without_pushdown(engine, known, read_here), known, contexts, bounds.query_seconds)
        # keys of joins and groups below them, which tables as small as these would hardly ever call for
        forced = EngineSide("pushdown forced", engine, replace(known, pushdown=FORCED), contexts, bounds.query_seconds)
        yield Verification([Judge(copies, [pushed, plain]), Judge(copies, [forced, plain])], tables, notes)


def verify(
    engine: Engine,
    catalog: Catalog,
    scratch_dsn: str,
    bounds: Bounds,
    *,
    contexts: Contexts = QueryContext,
    progress: Progress = lambda text: None,
) -> Report:
    """Verify all tables of ``catalog``; ``scratch_dsn``: a PostgreSQL in which temporary tables may be made."""
    with verification(engine, catalog, scratch_dsn, bounds, contexts) as prepared:
        for note in prepared.notes:
            progress(note)
        return prepared.run(bounds, progress)


def _by_name(catalog: Catalog) -> MemoryCatalog:
    """The tables under their plain names; of two with one name the first."""
    found: dict[str, VirtualTable] = {}
    for table in catalog.tables():
        found.setdefault(table.name, table)
    schemas = tuple(dict.fromkeys(table.schema for table in found.values()))
    sources = {table.source: catalog.source(table.source) for table in found.values()}
    return MemoryCatalog(sources, {table.key: table for table in found.values()}, schemas)


def copied(table: VirtualTable, side: EngineSide, copies: Copies, most: int) -> tuple[TableFacts, pa.Table]:
    """Read a table, or the part of it that has at most ``most`` rows, and copy it; DefinitionError where neither can be done."""
    name, columns = quoted(table.name), ", ".join(quoted(column.name) for column in table.columns)
    count = side.arrow(f"SELECT count(*) FROM {name}").column(0)[0].as_py()
    for sample in (None,) if count <= most else _samples(table, side, most):
        rows = side.arrow(f"SELECT {columns} FROM {name}" + (f" WHERE {sample}" if sample else ""))
        if rows.num_rows > most:
            raise DefinitionError("it grows while it is read")
        if rows.num_rows or sample is None:
            return TableFacts(name, copies.add(table.name, rows), rows.num_rows, sample, table.source), rows
    raise DefinitionError(f"it has {count:,} rows, and no column by which a part of at most {most:,} could be taken")


def _samples(table: VirtualTable, side: EngineSide, most: int) -> Iterable[str]:
    """Conditions that at most ``most`` rows meet, one per column that could serve."""
    for column in table.columns:
        kind = kind_of(column.type)
        if kind not in SAMPLED_BY:
            continue
        name = quoted(column.name)
        found = side.arrow(
            f"SELECT {name}::text AS v FROM {quoted(table.name)} WHERE {name} IS NOT NULL ORDER BY {name} LIMIT 1 OFFSET {most}"
        )
        if found.num_rows:
            yield f"{name} < {literal(str(found.column(0)[0]), kind, column.type)}"


def with_tables(catalog: Catalog, sources: Iterable[str] = (), tables: Iterable[str] = ()) -> MemoryCatalog:
    """Only tables of these sources (none given: of all) and with these names (``schema.table`` or ``table``; none given: all).
    DefinitionError for a source or a table that is not there."""
    wanted, names = set(sources), set(tables)
    for name in sorted(wanted):
        catalog.source(name)
    missing = names - {text for table in catalog.tables() for text in (table.name, f"{table.schema}.{table.name}")}
    if missing:
        raise DefinitionError(f"there is no virtual table {', '.join(sorted(missing))}", hint="bdc table list shows them.")
    chosen = [
        table
        for table in catalog.tables()
        if (not wanted or table.source in wanted) and (not names or {table.name, f"{table.schema}.{table.name}"} & names)
    ]
    return MemoryCatalog.of([replace(catalog.source(name)) for name in dict.fromkeys(table.source for table in chosen)], chosen)
