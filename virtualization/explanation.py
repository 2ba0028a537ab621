"""EXPLAIN: what each source does, what is done here by which executor, and for everything kept here a reason and a fix."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import pyarrow as pa

from virtualization.catalog import Catalog
from virtualization.errors import UnknownTableError, VirtualizationError
from virtualization.plan import Batches, Fragment, Kept, OutputColumn, Plan, QueryContext
from virtualization.reasons import fix_of


@dataclass
class Counts:
    """What came out of one fragment: rows, Arrow bytes, milliseconds from the first opening to the last row, how often it was opened."""

    rows: int = 0
    bytes: int = 0
    milliseconds: float = 0.0
    opened: int = 0


class Meter:
    """A fragment that counts. Where an executor reads the source itself (``duckdb_sql``), nothing passes through here to be counted."""

    def __init__(self, fragment: Fragment) -> None:
        self.fragment = fragment
        self.counts = Counts()

    @property
    def source(self) -> str:
        """As the fragment."""
        return self.fragment.source

    @property
    def columns(self) -> tuple[OutputColumn, ...]:
        """As the fragment."""
        return self.fragment.columns

    @property
    def text(self) -> str:
        """As the fragment."""
        return self.fragment.text

    @property
    def tables(self) -> tuple[tuple[str, str], ...]:
        """As the fragment."""
        return self.fragment.tables

    def open(self, context: QueryContext) -> Batches:
        """Open and count."""
        self.counts.opened += 1
        return _Counted(self.fragment.open(context), self.counts)

    def duckdb_sql(self) -> str | None:
        """As the fragment."""
        return self.fragment.duckdb_sql()

    def prepare_duckdb(self, connection: object) -> None:
        """As the fragment."""
        self.fragment.prepare_duckdb(connection)

    def fault(self, error: Exception) -> VirtualizationError | None:
        """As the fragment."""
        return self.fragment.fault(error)


class _Counted:
    def __init__(self, batches: Batches, counts: Counts) -> None:
        self._batches = batches
        self._counts = counts
        self._start = time.perf_counter()

    @property
    def schema(self) -> pa.Schema:
        return self._batches.schema

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for batch in self._batches:
            self._counts.rows += batch.num_rows
            self._counts.bytes += batch.nbytes
            self._counts.milliseconds = (time.perf_counter() - self._start) * 1000
            yield batch

    def close(self) -> None:
        self._batches.close()


@dataclass(frozen=True)
class FragmentExplanation:
    """One fragment. ``connector`` is the kind of its source; ``estimated_rows`` of its tables, where known; ``actual`` after analyze."""

    name: str
    source: str
    connector: str
    tables: tuple[str, ...]
    text: str
    estimated_rows: float | None
    read_by_executor: bool
    actual: Counts | None = None


@dataclass(frozen=True)
class Explanation:
    """See the module. ``residual`` is SQL in PostgreSQL's dialect over the fragments' names; None: one source does it all."""

    sql: str
    fragments: tuple[FragmentExplanation, ...]
    residual: str | None
    executor: str | None
    refusals: tuple[tuple[str, Kept], ...]
    kept: tuple[Kept, ...]
    rows: int | None = None

    @classmethod
    def of(cls, plan: Plan, catalog: Catalog, meters: Sequence[Meter], rows: int | None) -> Explanation:
        """Of a plan; ``rows`` (of the result) and the meters' counts are shown when it was run."""
        fragments = tuple(
            FragmentExplanation(
                name=f"__f{number}",
                source=meter.source,
                connector=catalog.source(meter.source).connector,
                tables=tuple(".".join(key) for key in meter.tables),
                text=meter.text,
                estimated_rows=_estimate(meter, catalog),
                read_by_executor=plan.residual is not None and plan.executor == "duckdb" and meter.duckdb_sql() is not None,
                actual=meter.counts if rows is not None else None,
            )
            for number, meter in enumerate(meters)
        )
        residual = plan.residual.sql("postgres", pretty=True) if plan.residual is not None else None
        return cls(plan.sql, fragments, residual, plan.executor, plan.refusals, plan.kept, rows)

    def json(self) -> dict[str, object]:
        """As plain data."""
        return {
            "sql": self.sql,
            "executor": self.executor,
            "residual": self.residual,
            "rows": self.rows,
            "fragments": [{**asdict(fragment), "tables": list(fragment.tables)} for fragment in self.fragments],
            "refused_by": [{"executor": name, **_reason(kept)} for name, kept in self.refusals],
            "kept": [_reason(kept) for kept in self.kept],
        }

    def text(self) -> str:
        """For people."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        actual = f"  (actual rows={self.rows:,})" if self.rows is not None else ""
        if self.residual is None:
            yield f"Whole query at one source{actual}"
        else:
            yield f"Executor: {_EXECUTORS.get(self.executor or '', self.executor)}{actual}"
            for name, kept in self.refusals:
                yield from _reason_lines(f"  not {_EXECUTORS.get(name, name)}, because ", kept, 0)
            yield "  SQL run here:"
            yield from ("    " + line for line in self.residual.splitlines())
        for fragment in self.fragments:
            yield from _fragment_lines(fragment, named=self.residual is not None, executor=self.executor)
        if self.kept:
            yield "Not pushed to a source:"
            for kept, more in _grouped(self.kept):
                yield from _reason_lines("  - ", kept, more)


_EXECUTORS = {"duckdb": "DuckDB", "scratch": "scratch PostgreSQL"}
_SHOWN = 120


def _grouped(kept: Sequence[Kept]) -> list[tuple[Kept, int]]:
    """Reasons that say the same, once, and how many more there are."""
    groups: dict[tuple[str, str], list[Kept]] = {}
    for one in kept:
        groups.setdefault((one.code, one.why), []).append(one)
    return [(same[0], len(same) - 1) for same in groups.values()]


def _reason_lines(start: str, kept: Kept, more: int) -> Iterator[str]:
    what = " ".join(kept.what.split())
    shown = what if len(what) <= _SHOWN else what[: _SHOWN - 1] + "…"
    yield f"{start}{kept.why} [{kept.code}]: {shown}{f' (and {more} more)' if more else ''}"
    fix = kept.fix or fix_of(kept.code)
    if fix:
        yield f"    to change it: {fix}"


def _fragment_lines(fragment: FragmentExplanation, *, named: bool, executor: str | None) -> Iterator[str]:
    label = f"Fragment {fragment.name} at" if named else "Fragment at"
    estimate = f"  (estimated rows of its tables: {fragment.estimated_rows:,.0f})" if fragment.estimated_rows is not None else ""
    yield f"{label} source {fragment.source} [{fragment.connector}] over {', '.join(fragment.tables)}{estimate}"
    if fragment.read_by_executor:
        yield "  read by DuckDB itself, as part of the SQL above"
    elif named:
        yield f"  rows come to {_EXECUTORS.get(executor or '', executor)}"
    if fragment.actual is not None and fragment.actual.opened:
        counts = fragment.actual
        yield f"  actual: rows={counts.rows:,} bytes={counts.bytes:,} ms={counts.milliseconds:.1f} opened={counts.opened}"
    yield from ("  " + line for line in fragment.text.splitlines())


def _reason(kept: Kept) -> dict[str, object]:
    return {**asdict(kept), "fix": kept.fix or fix_of(kept.code)}


def _estimate(fragment: Fragment, catalog: Catalog) -> float | None:
    """The rows of the only table; of a join nobody knows."""
    if len(fragment.tables) != 1:
        return None
    try:
        return catalog.table(*fragment.tables[0]).rows
    except UnknownTableError:
        return None
