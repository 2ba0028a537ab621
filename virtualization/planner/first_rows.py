"""A fragment of which only so many rows are wanted: LIMIT without ORDER BY stops the source early, whoever runs the rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from virtualization.fragments import FragmentOver
from virtualization.plan import Batches, Fragment, QueryContext


@dataclass(frozen=True)
class FirstRows(FragmentOver):
    """``fragment`` up to ``rows`` rows, any rows. See ``virtualization.plan.Fragment``."""

    fragment: Fragment
    rows: int

    @property
    def text(self) -> str:
        """What the source gets; it is left after the first rows."""
        return f"{self.fragment.text}\n(left after {self.rows:,} rows)"

    def open(self, context: QueryContext) -> Batches:
        """Run it; the source is left as soon as there are enough rows."""
        return _Cut(self.fragment.open(context), self.rows)

    def duckdb_sql(self) -> str | None:
        """The same limit inside DuckDB."""
        inner = self.fragment.duckdb_sql()
        return None if inner is None else f"SELECT * FROM ({inner}) LIMIT {self.rows}"


class _Cut:
    def __init__(self, batches: Batches, rows: int) -> None:
        self._batches = batches
        self._left = rows

    @property
    def schema(self) -> pa.Schema:
        return self._batches.schema

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        if not self._left:
            return
        for batch in self._batches:
            yield batch.slice(0, self._left)
            self._left -= min(self._left, batch.num_rows)
            if not self._left:
                break
        self.close()

    def close(self) -> None:
        self._batches.close()
