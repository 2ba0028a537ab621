"""``bdc.score('house@v1', $$SELECT …$$)``: the rows of a query, each with the outputs of an app: JSON objects that stream to the master."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pools.compute.errors import StatementError
from pools.compute.scoring.apps import Name, Score
from pools.compute.scoring.columns import POSTGRESQL, checked, places
from pools.compute.scoring.proxy import App
from virtualization.passthrough import json_rows
from virtualization.plan import OutputColumn, Result
from virtualization.types import arrow_field

SCORE, SCORE_COLUMNS = "score", "score_columns"
"""Actions of requests."""
_DOCUMENTS = ("json", "jsonb")


@dataclass(frozen=True)
class Wanted:
    """``name``: of the app; ``query``: its rows' text; ``path``: where unqualified tables are looked for."""

    name: Name
    query: str
    path: tuple[str, ...]

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Wanted:
        """From a request; StatementError for what is missing."""
        app, query = content.get("app"), content.get("query")
        if not isinstance(app, str) or not isinstance(query, str) or not query.strip():
            raise StatementError("22023", "bdc.score takes the app's name and a query", hint="bdc.score('house@v1', $$SELECT …$$)")
        name = Name.parse(app)
        if name.output is not None:
            raise StatementError("22023", "bdc.score gives all outputs: leave out '#' and what stands behind it")
        path = content.get("path")
        return cls(name, query, tuple(str(schema) for schema in path) if isinstance(path, list) else ("public",))


def scored_columns(app: App, columns: Sequence[OutputColumn]) -> tuple[OutputColumn, ...]:
    """Those of the query, then the outputs. StatementError for a name that comes twice."""
    names = [column.name for column in columns] + list(app.outputs)
    twice = next((name for at, name in enumerate(names) if name in names[:at]), None)
    if twice is not None:
        raise StatementError(
            "42701",
            f"there would be two columns {twice}",
            hint=f"Rename it in the query; the outputs of {app.label} are {', '.join(app.outputs)}.",
        )
    return (*columns, *(OutputColumn(name, POSTGRESQL[kind]) for name, kind in app.outputs.items()))


@dataclass
class Scoring:
    """See ``pools.compute.source.Opening``. ``start``: runs the query; ``score``: begins with the app; ``names``: the columns of
    ``bdc.compute_request`` that the master wants."""

    app: App
    begin: Callable[[], Result]
    score: Callable[[], Score]
    names: tuple[str, ...]

    def plan(self) -> tuple[OutputColumn, ...]:
        """Known beforehand."""
        return tuple(
            OutputColumn("?column?" if name == "null" else name, "integer" if name == "ordinal" else "text") for name in self.names
        )

    def start(self) -> Result:
        """After ``plan``."""
        result = self.begin()
        try:
            given = tuple(result.columns)
            columns = scored_columns(self.app, given)
            used = places(self.app.label, self.app.inputs, [one.name for one in given], [one.type for one in given])
            raw = frozenset(at for at, column in enumerate(columns) if column.type in _DOCUMENTS)
            return _Responses(result, self.plan(), _Rows(self.app, self.score(), used, raw))
        except BaseException:
            result.close()
            raise


@dataclass(frozen=True)
class _Rows:
    app: App
    score: Score
    used: list[int]
    raw: frozenset[int]

    def responses(self, batch: pa.RecordBatch) -> pa.Array[Any]:
        """Each row as a JSON object."""
        outputs = self.score(checked(self.app.label, self.app.inputs, [batch.column(at) for at in self.used]))
        whole = pa.RecordBatch.from_arrays(
            [*batch.columns, *(outputs[name] for name in self.app.outputs)], names=[*batch.schema.names, *self.app.outputs]
        )
        return json_rows(whole, self.raw).column(0)


class _Responses:
    """A ``Result`` over another."""

    def __init__(self, result: Result, columns: tuple[OutputColumn, ...], rows: _Rows) -> None:
        self.columns = columns
        self._result = result
        self._rows = rows

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        schema = pa.schema([arrow_field(column.name, column.type) for column in self.columns])
        count = 0
        for batch in self._result:
            if not batch.num_rows:
                continue
            responses = self._rows.responses(batch)
            ordinals = pa.array(range(count + 1, count + batch.num_rows + 1), pa.int32())
            made: dict[str, Any] = {"ordinal": ordinals, "response": responses}
            nothing = pa.nulls(batch.num_rows, pa.string())
            arrays = [made.get(column.name, nothing).cast(field.type) for column, field in zip(self.columns, schema, strict=True)]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)
            count += batch.num_rows

    def close(self) -> None:
        """Harmless when repeated."""
        self._result.close()
