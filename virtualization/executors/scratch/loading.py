"""One fragment into one temporary table, streaming, in PostgreSQL's binary COPY.

A column whose type travels as text is loaded as text; a view over the table casts it back, so that the residual sees the declared type.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import adbc_driver_manager
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from virtualization.catalog import Column
from virtualization.encoding.datetimes import DAY_INFINITY, MOMENT_INFINITY
from virtualization.errors import CancelledError
from virtualization.executors.scratch.sessions import Session
from virtualization.plan import Fragment, QueryContext
from virtualization.types import pg_type, schema_of

_EPOCH_DAYS = 10_957
_DATE_INFINITY = 2**31 - 1 + _EPOCH_DAYS - 2**32
_TIMESTAMP_MINUS_INFINITY = -(2**63) + _EPOCH_DAYS * 86_400_000_000
LAST_MOMENT = MOMENT_INFINITY - 1
"""The last microsecond that Arrow can express stands in for the infinite timestamp."""
_LAST_MOMENT_SQL = "TIMESTAMP '294247-01-10 04:00:54.775806'"

ANALYZE_ROWS = 10_000
"""From this many rows on, statistics pay for themselves."""


def load(session: Session, name: str, fragment: Fragment, context: QueryContext | None) -> None:
    """Make relation ``name``; without ``context`` it stays empty."""
    types = [pg_type(column.type) for column in fragment.columns]
    as_text = any(of.travels_as_text for of in types)
    table = f"{name}_rows" if as_text else name
    names = [exp.to_identifier(column.name, quoted=True).sql("postgres") for column in fragment.columns]
    definitions = [f"{quoted} {'text' if of.travels_as_text else of.text}" for quoted, of in zip(names, types, strict=True)]
    session.execute(f"CREATE TEMP TABLE {table} ({', '.join(definitions)}) ON COMMIT DROP")
    if as_text:
        items = [f"{quoted}::{of.text} AS {quoted}" if of.travels_as_text else quoted for quoted, of in zip(names, types, strict=True)]
        session.execute(f"CREATE TEMP VIEW {name} AS SELECT {', '.join(items)} FROM pg_temp.{table}")
    if context is not None:
        rows = _copy(session, table, fragment, context)
        if rows >= ANALYZE_ROWS:
            session.execute(f"ANALYZE pg_temp.{table}")


class _Source:
    """The fragment's batches for the driver. An error of ours would reach us only as the driver's text: it is kept aside."""

    def __init__(self, fragment: Fragment, context: QueryContext) -> None:
        self.schema = schema_of([Column(column.name, column.type) for column in fragment.columns])
        self.rows = 0
        self.error: Exception | None = None
        self.stand_ins: set[str] = set()
        """Columns in which an infinite timestamp was replaced."""
        self._context = context
        self._batches = fragment.open(context)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        try:
            for batch in self._batches:
                if self._context.cancelled:
                    raise CancelledError("canceling statement due to user request")
                self.rows += batch.num_rows
                yield self._prepared(batch)
        except Exception as error:
            self.error = error
            raise
        finally:
            self._batches.close()

    def _prepared(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        columns = [
            _for_driver(column.cast(field.type), lambda name=field.name: self.stand_ins.add(name))  # type: ignore[misc]
            for column, field in zip(batch.columns, self.schema, strict=True)
        ]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)


def _copy(session: Session, table: str, fragment: Fragment, context: QueryContext) -> int:
    source = _Source(fragment, context)
    reader = pa.RecordBatchReader.from_batches(source.schema, iter(source))
    try:
        session.cursor.adbc_ingest(table, reader, mode="append", temporary=True)
    except (adbc_driver_manager.Error, pa.ArrowException, OSError) as error:
        if source.error is not None:
            raise source.error from None
        raise session.fault(error) from None
    for name in source.stand_ins:
        quoted = exp.to_identifier(name, quoted=True).sql("postgres")
        session.execute(f"UPDATE pg_temp.{table} SET {quoted} = 'infinity' WHERE {quoted} = {_LAST_MOMENT_SQL}")
    return source.rows


def _for_driver(column: Any, noticed: Callable[[], None]) -> Any:  # noqa: ANN401 any Arrow array
    """Infinite dates and timestamps as the driver's arithmetic turns them into PostgreSQL's own.

    It can't reach the infinite timestamp: a stand-in is loaded, ``noticed`` is called, and the table is put right afterwards."""
    if pa.types.is_date(column.type):
        days = _integers(column, pa.int32())
        if not (np.abs(days.astype(np.int64)) >= DAY_INFINITY).any():
            return column
        moved = np.where(days == DAY_INFINITY, _DATE_INFINITY, np.where(days <= -DAY_INFINITY, _DATE_INFINITY + 1, days))
        return _rebuilt(moved.astype(np.int32), column)
    if pa.types.is_timestamp(column.type):
        moments = _integers(column, pa.int64())
        if (moments == MOMENT_INFINITY).any():
            noticed()
        elif not (moments <= -MOMENT_INFINITY).any():
            return column
        moved = np.where(moments == MOMENT_INFINITY, LAST_MOMENT, np.where(moments <= -MOMENT_INFINITY, _TIMESTAMP_MINUS_INFINITY, moments))
        return _rebuilt(moved, column)
    return column


def _integers(column: Any, through: pa.DataType) -> Any:  # noqa: ANN401
    return pc.fill_null(column.cast(through), 0).to_numpy(zero_copy_only=False)


def _rebuilt(integers: Any, like: Any) -> Any:  # noqa: ANN401
    nulls = like.is_null().to_numpy(zero_copy_only=False) if like.null_count else None
    return pa.array(integers, mask=nulls).cast(like.type)
