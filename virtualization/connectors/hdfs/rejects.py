"""Tables that may leave out rows (REJECT_VALUE), and the lists of what they leave out (``rejected_of``).

A row is rejected when any declared column of it can't be read, whichever columns a query asks for: so each query over the same files
sees the same rows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
from sqlglot import exp, parse_one
from sqlglot.errors import ParseError

from virtualization.catalog import Column
from virtualization.connectors.hdfs.checked_sql import BROKEN, EXTRA, NO_OBJECT, CheckedFile
from virtualization.connectors.hdfs.client import RemoteFile
from virtualization.connectors.hdfs.lines import lines_of
from virtualization.connectors.hdfs.options import FileFormat, RejectLimit
from virtualization.errors import DataError, DefinitionError
from virtualization.plan import Batches
from virtualization.types import pg_type, schema_of

pc: Any = pyarrow.compute

REJECTED_COLUMNS = (
    Column("file", "text"), Column("line", "bigint"), Column("column", "text"), Column("value", "text"), Column("reason", "text"),
)  # fmt: skip
"""Of a table with the option ``rejected_of``. ``line`` is NULL where it can't be told, ``column`` where the record is broken."""

_LINES_AT_ONCE = 100_000
_WHOLE = {BROKEN: "the record can't be taken apart", NO_OBJECT: "the line is no JSON object"}


@dataclass
class _Tally:
    """``tried`` rows so far, ``rejected`` of them; ``first``: where the first one was."""

    limit: RejectLimit
    source: str
    tried: int = 0
    rejected: int = 0
    first: str = ""

    def add(self, bad: Any, last: bool) -> None:  # noqa: ANN401 a numpy array of booleans
        """Rows in their order. DataError when the limit is passed."""
        before = self.tried
        sums = np.cumsum(bad) + self.rejected
        self.tried += len(bad)
        if len(bad):
            self.rejected = int(sums[-1])
        limit = self.limit
        if limit.sample is None:
            if self.rejected > limit.value:
                raise self._passed(self.rejected, self.tried, "rows")
            return
        marks = np.arange((before // limit.sample + 1) * limit.sample, self.tried + 1, limit.sample)
        counts = sums[marks - before - 1]
        if last and self.tried:
            marks, counts = np.append(marks, self.tried), np.append(counts, self.rejected)
        for passed in np.flatnonzero(counts * 100 > limit.value * marks)[:1]:
            raise self._passed(int(counts[passed]), int(marks[passed]), "per cent")

    def _passed(self, rejected: int, tried: int, unit: str) -> DataError:
        return DataError(
            f'data source "{self.source}": {rejected} of {tried} rows were rejected, more than the {self.limit.value:g} {unit} of '
            f"reject_value; the first: {self.first}",
            hint="A table with the option rejected_of lists them all.",
        )


@dataclass
class Accepted:
    """The rows of a table that can be read. See ``virtualization.plan.Batches``."""

    rows: Batches
    """Of all queries of all files, with ``EXTRA``; ``files``: that of each batch."""
    schema: pa.Schema
    files: Callable[[], CheckedFile]
    limit: RejectLimit
    source: str
    _tally: _Tally = field(init=False)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        self._tally = _Tally(self.limit, self.source)
        try:
            for batch in self.rows:
                bad = pc.is_valid(batch.column("__at"))
                if not self._tally.first and pc.any(bad).as_py():
                    self._tally.first = _first(batch, bad, self.files())
                self._tally.add(bad.to_numpy(zero_copy_only=False), False)
                good = batch.filter(pc.and_(pc.invert(bad), batch.column("__keep"))).select(self.schema.names)
                if good.num_rows:
                    yield pa.RecordBatch.from_arrays(good.columns, schema=self.schema)
            self._tally.add(np.empty(0, bool), True)
        except DataError:
            self.close()
            raise

    def close(self) -> None:
        """Harmless when repeated."""
        self.rows.close()


def _first(batch: pa.RecordBatch, bad: Any, of: CheckedFile) -> str:  # noqa: ANN401
    row = batch.filter(bad).select(EXTRA.names).slice(0, 1).to_pylist()[0]
    found = listed([row], of)
    return said(found, of) if found else ""


def first_rejected(rows: Batches, progress: Progress) -> str | None:
    """Where the first rejected row is, and what is wrong with it."""
    try:
        for batch in rows:
            bad = pc.is_valid(batch.column("__at"))
            if pc.any(bad).as_py():
                return _first(batch, bad, progress.file())
        return None
    finally:
        rows.close()


def said(found: Sequence[dict[str, Any]], of: CheckedFile) -> str:
    """The first of ``listed`` as people read it."""
    one = found[0]
    line = f", line {one['line']}" if one["line"] is not None else ""
    if one["column"] is None:
        return f"file {one['file']}{line}: {one['reason']}: {one['value']}"
    kind = next(column.type for column in of.scan.table.columns if column.name == one["column"])
    return f'column "{one["column"]}" ({kind}) in {one["file"]}{line}: not a value: {one["value"][:100]}'


def listed(rejected: Sequence[dict[str, Any]], of: CheckedFile) -> list[dict[str, Any]]:
    """Rejected rows (``EXTRA``) of one file, as REJECTED_COLUMNS."""
    file: RemoteFile = of.listing.files[of.number]
    broken = [row["__record"] for row in rejected if row["__at"] == BROKEN]
    rows = [row["__record"] for row in rejected if row["__at"] != BROKEN]
    lines, broken_lines = lines_of(of.listing.client, file, of.shape, rows, broken)
    names = [column.name for column in of.scan.table.columns]
    types = [column.type for column in of.scan.table.columns]
    made = []
    for row in rejected:
        at = row["__at"]
        known = broken_lines if at == BROKEN else lines
        made.append({
            "file": file.path, "line": known.get(row["__record"]), "column": names[at] if at >= 0 else None, "value": row["__value"],
            "reason": _WHOLE.get(at) or f"not a value of type {types[at]}",
        })  # fmt: skip
    return made


@dataclass
class Rejected:
    """The rows that a table leaves out, as REJECTED_COLUMNS. See ``virtualization.plan.Batches``."""

    rows: Batches
    schema: pa.Schema
    files: Callable[[], CheckedFile]

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        pending: list[dict[str, Any]] = []
        of: CheckedFile | None = None
        for batch in self.rows:
            now = self.files()
            if of is not None and (now.number != of.number or len(pending) >= _LINES_AT_ONCE):
                yield from self._flush(pending, of)
            of = now
            pending += batch.filter(pc.is_valid(batch.column("__at"))).select(EXTRA.names).to_pylist()
        if of is not None:
            yield from self._flush(pending, of)

    def _flush(self, pending: list[dict[str, Any]], of: CheckedFile) -> Iterator[pa.RecordBatch]:
        found, pending[:] = listed(pending, of), []
        found.sort(key=lambda one: one["line"] or 0)
        if found:
            whole = pa.RecordBatch.from_pylist(found, schema_of(REJECTED_COLUMNS))
            yield pa.RecordBatch.from_arrays([whole.column(name) for name in self.schema.names], schema=self.schema)

    def close(self) -> None:
        """Harmless when repeated."""
        self.rows.close()


def rejecting(shape: FileFormat) -> bool:
    """Are the rows of such a table looked at one by one?"""
    return shape.rejects is not None or shape.rejected_of is not None


class Progress:
    """Which file the queries that run now are about."""

    def __init__(self, files: Sequence[CheckedFile]) -> None:
        self._files = files
        self._now = files[0]

    def queries(self) -> Iterator[str]:
        """Of all files, one after the other; each is asked for when those before have ended."""
        for file in self._files:
            self._now = file
            yield from file.queries()

    def file(self) -> CheckedFile:
        """The one whose query was asked for last."""
        return self._now


def columns_of(text: str) -> tuple[Column, ...]:
    """The columns that ``rejected_of`` names: ``id bigint, v numeric(5,2)``, or JSON as ``bdc.virtual_tables`` has it."""
    try:
        if text.lstrip().startswith("["):
            return tuple(
                Column(one["name"], one["type"], one.get("nullable", True), one.get("remote") or one["name"]) for one in json.loads(text)
            )
        made = parse_one(f"CREATE TABLE t ({text})", dialect="postgres")
        told = list(made.find_all(exp.ColumnDef))
        columns = tuple(Column(one.name, pg_type(one.args["kind"].sql("postgres")).text) for one in told)
    except (ParseError, ValueError, KeyError, TypeError, AttributeError):
        columns = ()
    if not columns:
        raise DefinitionError('option "rejected_of" must name columns: id bigint, v numeric(5,2)', hint="Or: rejected_of=detected")
    return columns
