"""EXPLAIN: what each source does, what is done here by which executor, and for everything kept here a reason and a fix."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field

from virtualization.catalog import Catalog
from virtualization.errors import UnknownTableError
from virtualization.fragments import by_engine
from virtualization.metering import Avoidable, avoidable
from virtualization.plan import Counts, Fragment, Kept, Plan, QueryContext, ReadInRanges
from virtualization.reasons import fix_of
from virtualization.types import row_bytes

COMPUTED = "computed"
"""In the place of a connector: a part that is run here before the rest, for its keys."""


@dataclass(frozen=True)
class Actual:
    """Of a plan that ran to its end: what came out of each fragment, the answer, and the time of it all."""

    moved: tuple[Counts, ...]
    answered: Counts
    milliseconds: float

    @classmethod
    def of(cls, context: QueryContext, milliseconds: float) -> Actual:
        """What the engine counted in the query's context."""
        return cls(context.moved, context.answered, milliseconds)


@dataclass(frozen=True)
class FragmentExplanation:
    """One fragment. ``connector`` is the kind of its source; ``estimated_rows``: from the row counts of its tables, where those are known,
    and ``estimated_bytes`` of so many; ``actual`` after analyze, and ``asked``, where the source got another text (with keys)."""

    name: str
    source: str
    connector: str
    tables: tuple[str, ...]
    text: str
    estimated_rows: float | None
    estimated_bytes: float | None
    read_by_executor: bool
    actual: Counts | None = None
    asked: str | None = None
    asked_ranges: str | None = None
    """As ``ranges``, of what was asked."""

    keys: tuple[str, ...] = ()
    """Keys of other fragments that go along in what the source is asked, where there are not too many."""

    analyzed_at: str | None = None
    """When what the estimate is made of was found: of the table where that is longest ago (ISO 8601)."""

    ranges: str | None = None
    """How it is read over several connections at once; None: it comes as one statement."""

    def json(self) -> dict[str, object]:
        """As plain data."""
        actual = self.actual
        counts = None if actual is None else {name: getattr(actual, name) for name in ("rows", "bytes", "milliseconds", "opened")}
        plain = {
            name: getattr(self, name)
            for name in ("name", "source", "connector", "text", "asked", "asked_ranges", "read_by_executor", "ranges", "analyzed_at")
        }
        estimates = {"estimated_rows": self.estimated_rows, "estimated_bytes": self.estimated_bytes}
        return {**plain, **estimates, "tables": list(self.tables), "keys": list(self.keys), "actual": counts}


@dataclass(frozen=True)
class Explanation:
    """See the module. ``residual`` is SQL in PostgreSQL's dialect over the fragments' names; None: one source does it all."""

    sql: str
    fragments: tuple[FragmentExplanation, ...]
    residual: str | None
    executor: str | None
    refusals: tuple[tuple[str, Kept], ...]
    kept: tuple[Kept, ...]
    actual: Actual | None = None
    avoidable: Avoidable = field(default_factory=Avoidable)
    decisions: tuple[str, ...] = ()

    @classmethod
    def of(cls, plan: Plan, catalog: Catalog, actual: Actual | None = None) -> Explanation:
        """Of a plan, with what it did when it was run."""
        inline = plan.residual is not None and plan.executor == "duckdb"
        fragments = []
        for number, fragment in enumerate(plan.fragments):
            rows = _estimate(plan, number, catalog)
            fragments.append(
                FragmentExplanation(
                    name=f"__f{number}",
                    source=fragment.source,
                    connector=catalog.source(fragment.source).connector if fragment.tables else COMPUTED,
                    tables=tuple(".".join(key) for key in fragment.tables),
                    text=fragment.text,
                    estimated_rows=rows,
                    estimated_bytes=None if rows is None else rows * row_bytes(column.type for column in fragment.columns),
                    read_by_executor=inline and by_engine(fragment),
                    actual=actual.moved[number] if actual is not None else None,
                    asked=_asked(fragment, actual.moved[number]) if actual is not None else None,
                    asked_ranges=_asked_ranges(fragment, actual.moved[number]) if actual is not None else None,
                    keys=tuple(
                        f"{flow.taker_column} from __f{flow.giver}.{flow.giver_column}, if at most {flow.most:,}"
                        for flow in plan.flows
                        if flow.taker == number
                    ),
                    analyzed_at=_analyzed(fragment, catalog) if rows is not None else None,
                    ranges=fragment.ranges() if isinstance(fragment, ReadInRanges) else None,
                )
            )
        residual = plan.residual.sql("postgres", pretty=True) if plan.residual is not None else None
        saved = avoidable(plan, actual.moved, actual.answered) if actual is not None else Avoidable()
        return cls(plan.sql, tuple(fragments), residual, plan.executor, plan.refusals, plan.kept, actual, saved, plan.decisions)

    @property
    def rows(self) -> int | None:
        """Of the answer; None: it was not run."""
        return self.actual.answered.rows if self.actual is not None else None

    def json(self) -> dict[str, object]:
        """As plain data."""
        actual = self.actual
        return {
            "sql": self.sql,
            "executor": self.executor,
            "residual": self.residual,
            "rows": self.rows,
            "bytes": actual.answered.bytes if actual is not None else None,
            "milliseconds": round(actual.milliseconds, 3) if actual is not None else None,
            "fragments": [fragment.json() for fragment in self.fragments],
            "refused_by": [{"executor": name, **reason(kept)} for name, kept in self.refusals],
            "kept": [reason(kept) for kept in self.kept],
            "decisions": list(self.decisions),
            "avoidable": {**asdict(self.avoidable), "codes": list(self.avoidable.codes)} if actual is not None else None,
        }

    def text(self) -> str:
        """For people."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        actual = f"  ({_counted(self.actual.answered, self.actual.milliseconds)})" if self.actual is not None else ""
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
        yield from ["Decided:", *(f"  - {one}" for one in self.decisions)] if self.decisions else []
        yield from kept_lines("Not pushed to a source:", self.kept)
        if self.avoidable.codes:
            codes = ", ".join(self.avoidable.codes)
            yield f"Moved beyond the answer: {self.avoidable.rows:,} rows, {self.avoidable.bytes:,} bytes, because of: {codes}"


_EXECUTORS = {"duckdb": "DuckDB", "scratch": "scratch PostgreSQL"}
_SHOWN = 120
_SHOWN_ASKED = 1000


def kept_lines(title: str, kept: Sequence[Kept]) -> Iterator[str]:
    """Reasons under a title; those that say the same once, with how many more there are. Nothing where there are none."""
    groups: dict[tuple[str, str], list[Kept]] = {}
    for one in kept:
        groups.setdefault((one.code, one.why), []).append(one)
    if groups:
        yield title
    for same in groups.values():
        yield from _reason_lines("  - ", same[0], len(same) - 1)


def reason(kept: Kept) -> dict[str, object]:
    """As plain data, with what the reason's code says in general where nothing special is known."""
    return {**asdict(kept), "fix": kept.fix or fix_of(kept.code)}


def _reason_lines(start: str, kept: Kept, more: int) -> Iterator[str]:
    yield f"{start}{kept.why} [{kept.code}]: {_cut(kept.what, _SHOWN)}{f' (and {more} more)' if more else ''}"
    fix = kept.fix or fix_of(kept.code)
    if fix:
        yield f"    to change it: {fix}"


def _cut(text: str, characters: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= characters else line[: characters - 1] + "…"


def _fragment_lines(fragment: FragmentExplanation, *, named: bool, executor: str | None) -> Iterator[str]:
    if fragment.connector == COMPUTED:
        yield f"Fragment {fragment.name} is computed here, before the SQL above, for its keys"
        yield from ([f"  {_actual(fragment.actual, inside=False)}"] if fragment.actual is not None else [])
        yield from ("    " + line for line in fragment.text.splitlines())
        return
    label = f"Fragment {fragment.name} at" if named else "Fragment at"
    yield f"{label} source {fragment.source} [{fragment.connector}] over {', '.join(fragment.tables)}{_estimated(fragment)}"
    if fragment.read_by_executor:
        yield "  read by DuckDB itself, as part of the SQL above"
    elif named:
        yield f"  rows come to {_EXECUTORS.get(executor or '', executor)}"
    if fragment.actual is not None:
        yield f"  {_actual(fragment.actual, inside=fragment.read_by_executor)}"
    yield from (f"  keys: {line}" for line in fragment.keys)
    yield from ([f"  read in {fragment.ranges}"] if fragment.ranges is not None else [])
    yield from ("  " + line for line in fragment.text.splitlines())
    if fragment.asked is not None:
        yield f"  asked with keys: {_cut(fragment.asked, _SHOWN_ASKED)}"
    yield from ([f"    read in {fragment.asked_ranges}"] if fragment.asked_ranges is not None else [])


def _estimated(fragment: FragmentExplanation) -> str:
    if fragment.estimated_rows is None or fragment.estimated_bytes is None:
        return ""
    as_of = "" if fragment.analyzed_at is None else f" as of {fragment.analyzed_at[:16].replace('T', ' ')}"
    return f"  (estimated rows={fragment.estimated_rows:,.0f} bytes={fragment.estimated_bytes:,.0f}{as_of})"


def _actual(counts: Counts, *, inside: bool) -> str:
    if counts.opened:
        return f"actual: {_counted(counts, counts.milliseconds).removeprefix('actual ')} opened={counts.opened}"
    return "actual: not counted, or not needed" if inside else "actual: not needed (never opened)"


def _counted(counts: Counts, milliseconds: float) -> str:
    return f"actual rows={counts.rows:,} bytes={counts.bytes:,} ms={milliseconds:.1f}"


def _estimate(plan: Plan, number: int, catalog: Catalog) -> float | None:
    """Rows expected of a fragment; None where nobody knows how large its tables are."""
    fragment = plan.fragments[number]
    try:
        known = [catalog.table(*key).rows for key in fragment.tables]
    except UnknownTableError:
        return None
    if not known or None in known or number >= len(plan.estimates):
        return None
    return plan.estimates[number]


def _analyzed(fragment: Fragment, catalog: Catalog) -> str | None:
    return min((told for key in fragment.tables if (told := catalog.table(*key).analyzed) is not None), default=None)


def _asked(fragment: Fragment, counts: Counts) -> str | None:
    """The text that the source got, where it is not the plan's."""
    asked = counts.asked.text if counts.asked is not None else fragment.text
    return None if asked == fragment.text else asked


def _asked_ranges(fragment: Fragment, counts: Counts) -> str | None:
    asked = counts.asked
    return asked.ranges() if _asked(fragment, counts) is not None and isinstance(asked, ReadInRanges) else None
