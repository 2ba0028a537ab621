"""Streaming, limits, cancel and errors of the DuckDB executor."""

from __future__ import annotations

import pathlib
import threading
import time
from collections.abc import Iterator

import pyarrow as pa
import pytest
import sqlglot
from sqlglot import exp

from tests.patience import SOON
from tests.virtualization.stand_ins import MemoryFragment, memory_table
from virtualization.errors import CancelledError, DataError, MemoryLimitError, SourceError, UnsupportedError
from virtualization.executors.duckdb import DuckDbExecutor
from virtualization.plan import OutputColumn, QueryContext


@pytest.fixture(scope="module")
def duck(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckDbExecutor]:
    executor = DuckDbExecutor(192 << 20, tmp_path_factory.mktemp("spill"), 2)
    yield executor
    executor.close()


def query(text: str) -> exp.Query:
    tree = sqlglot.parse_one(text, read="postgres")
    assert isinstance(tree, exp.Query)
    return tree


class Endless(MemoryFragment):
    """Batches without end: what is not streamed never returns."""

    def open(self, context: QueryContext) -> object:  # type: ignore[override]
        fragment = self

        class Batches:
            schema = fragment.table.schema
            closed = False

            def __iter__(self) -> Iterator[pa.RecordBatch]:
                while not self.closed:
                    yield from fragment.table.to_batches()

            def close(self) -> None:
                self.closed = True

        made = Batches()
        self.opened.append(made)  # type: ignore[arg-type]
        return made


NUMBERS = memory_table({"v": ("bigint", list(range(10_000))), "t": ("text", [f"note {number}" for number in range(10_000)])})


def test_rows_stream_and_a_result_can_be_left(duck: DuckDbExecutor) -> None:
    fragment = Endless(NUMBERS)
    result = duck.run(query("SELECT a.v AS v FROM __f0 AS a WHERE a.v % 2 = 0"), [fragment], QueryContext())
    first = next(iter(result))
    assert first.column(0)[1].as_py() == 2
    result.close()
    result.close()
    assert [batches.closed for batches in fragment.opened] == [True]


def test_cancel_stops_the_work(duck: DuckDbExecutor) -> None:
    context = QueryContext()
    fragment = Endless(NUMBERS)
    threading.Timer(0.3, context.cancel).start()
    start = time.monotonic()
    with pytest.raises(CancelledError):
        list(duck.run(query("SELECT sum(a.v) AS s FROM __f0 AS a"), [fragment], context))
    assert time.monotonic() - start < SOON
    assert [batches.closed for batches in fragment.opened] == [True]


def test_cancel_while_a_fragment_is_stored(duck: DuckDbExecutor) -> None:
    context = QueryContext()
    threading.Timer(0.2, context.cancel).start()
    text = "SELECT x.v AS v FROM __f0 AS x JOIN __f0 AS y ON x.v = y.v"
    with pytest.raises(CancelledError):
        list(duck.run(query(text), [Endless(NUMBERS)], context))


def test_a_large_sort_spills(tmp_path: pathlib.Path) -> None:
    duck = DuckDbExecutor(192 << 20, tmp_path, 1)
    wide = memory_table({"v": ("bigint", list(range(250_000, 0, -1))), "t": ("text", ["x" * 1000 + str(n) for n in range(250_000)])})
    result = duck.run(
        query("SELECT a.v AS v, a.t AS t FROM __f0 AS a ORDER BY a.v"), [MemoryFragment(wide, batch_rows=10_000)], QueryContext()
    )
    rows = 0
    last = 0
    for batch in result:
        rows += batch.num_rows
        assert batch.column(0)[0].as_py() > last
        last = batch.column(0)[-1].as_py()
    assert (rows, last) == (250_000, 250_000)
    duck.close()


def test_out_of_memory_is_one_clear_error(tmp_path: pathlib.Path) -> None:
    executor = DuckDbExecutor(8 << 20, tmp_path / "none", 1)
    executor._connection.execute("SET max_temp_directory_size = '1MB'")
    wide = memory_table({"v": ("bigint", list(range(60_000))), "t": ("text", ["x" * 1000 + str(n) for n in range(60_000)])})
    with pytest.raises(MemoryLimitError, match="memory"):
        list(executor.run(query("SELECT a.v AS v, a.t AS t FROM __f0 AS a ORDER BY a.t"), [MemoryFragment(wide)], QueryContext()))
    executor.close()


def test_a_sources_error_arrives_as_it_is(duck: DuckDbExecutor) -> None:
    class Failing(MemoryFragment):
        def open(self, context: QueryContext) -> object:  # type: ignore[override]
            class Batches:
                schema = NUMBERS.schema

                def __iter__(self) -> Iterator[pa.RecordBatch]:
                    yield from NUMBERS.to_batches()
                    raise SourceError("the source is gone")

                def close(self) -> None:
                    return None

            return Batches()

    with pytest.raises(SourceError, match="the source is gone"):
        list(duck.run(query("SELECT sum(a.v) AS v FROM __f0 AS a"), [Failing(NUMBERS)], QueryContext()))


def test_two_queries_at_once(duck: DuckDbExecutor) -> None:
    one = duck.run(query("SELECT a.v AS v FROM __f0 AS a"), [MemoryFragment(NUMBERS)], QueryContext())
    two = duck.run(query("SELECT a.t AS t FROM __f0 AS a"), [MemoryFragment(NUMBERS)], QueryContext())
    assert sum(batch.num_rows for batch in two) == 10_000
    assert sum(batch.num_rows for batch in one) == 10_000


def test_errors_name_no_engine(duck: DuckDbExecutor) -> None:
    with pytest.raises(DataError) as caught:
        list(duck.run(query("SELECT 5 / (a.v - a.v) AS x FROM __f0 AS a"), [MemoryFragment(NUMBERS)], QueryContext()))
    assert (caught.value.code, caught.value.message) == ("22012", "division by zero")


def test_what_is_refused_does_not_run(duck: DuckDbExecutor) -> None:
    with pytest.raises(UnsupportedError, match="read_text"):
        duck.run(query("SELECT read_text('/etc/passwd') AS x"), [], QueryContext())


def test_names_that_differ_in_case_only(duck: DuckDbExecutor) -> None:
    fragment = MemoryFragment(memory_table({"a": ("integer", [1]), "A": ("integer", [2]), "a b": ("integer", [3]), '"': ("integer", [4])}))
    text = 'SELECT x."A" AS "A", x.a AS a, x."a b" AS "select", x."""" AS """" FROM __f0 AS x'
    result = duck.run(query(text), [fragment], QueryContext())
    assert result.columns == tuple(OutputColumn(name, "integer") for name in ("A", "a", "select", '"'))
    assert next(iter(result)).to_pylist() == [{"A": 2, "a": 1, "select": 3, '"': 4}]
    result.close()


def test_a_join_that_is_not_needed(duck: DuckDbExecutor) -> None:
    """DuckDB 2.0.0 takes it away, with what is needed of the FULL JOIN below it."""
    tables = [
        memory_table({"v": ("bigint", [1, 2, None]), "t": ("text", ["a", None, "b"])}),
        memory_table({"v": ("bigint", [1, 2, 3]), "t": ("text", ["x", "y", None])}),
        memory_table({"t": ("text", ["a", None])}),
    ]
    text = """SELECT count(*) AS n FROM (SELECT DISTINCT b.t AS c FROM __f0 AS a FULL JOIN __f1 AS b ON a.v = b.v
      LEFT JOIN (SELECT c.t AS t FROM __f2 AS c WHERE c.t IS NULL) AS c ON a.t = c.t) AS q WHERE q.c <= 'z'"""
    result = duck.run(query(text), [MemoryFragment(table) for table in tables], QueryContext())
    assert [batch.to_pydict() for batch in result] == [{"n": [2]}]
