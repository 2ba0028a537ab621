"""A part of the residual that is run before the rest, because what it gives are keys for a source: ``IN (SELECT k … GROUP BY k HAVING …)``
over one source selects rows of another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa
from sqlglot import exp

from virtualization.fragments import RowsThroughOpen
from virtualization.plan import Batches, Executor, Fragment, OutputColumn, QueryContext, Result
from virtualization.types import arrow_field


@dataclass(frozen=True)
class Computed(RowsThroughOpen):
    """See the module, and ``virtualization.plan.Fragment``. ``query`` reads ``fragments``, all those of the plan before it."""

    query: exp.Query
    executor: Executor = field(repr=False, compare=False)
    columns: tuple[OutputColumn, ...]
    fragments: tuple[Fragment, ...] = field(repr=False)
    source: str = ""
    """None: its parts have theirs."""
    tables: tuple[tuple[str, str], ...] = ()

    @property
    def text(self) -> str:
        """SQL in PostgreSQL's dialect, run here."""
        return self.query.sql("postgres", pretty=True)

    def over(self, fragments: Sequence[Fragment]) -> Computed:
        """The same over what the fragments have become."""
        return replace(self, fragments=tuple(fragments[: len(self.fragments)]))

    def open(self, context: QueryContext) -> Batches:
        """Run it."""
        return _Answer(self.executor.run(self.query, self.fragments, context))


class _Answer:
    def __init__(self, result: Result) -> None:
        self._result = result
        self.schema = pa.schema([arrow_field(column.name, column.type) for column in result.columns])

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return iter(self._result)

    def close(self) -> None:
        self._result.close()
