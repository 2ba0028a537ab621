"""One corpus on three engines: what DuckDB accepts must equal PostgreSQL exactly, type names included."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator, Sequence

import psycopg
import pyarrow as pa
import pytest
import sqlglot
from sqlglot import exp

from tests.services.postgresql import PostgresqlServer
from tests.virtualization.executors.corpus import ACCEPTED, FRAGMENTS, KEPT
from tests.virtualization.stand_ins import MemoryFragment
from virtualization.duckdb_sql import allowed
from virtualization.duckdb_sql.statements import Translated, translate
from virtualization.encoding import COPY_HEADER, COPY_TRAILER, copy_rows, text_rows
from virtualization.errors import VirtualizationError
from virtualization.executors.duckdb import DuckDbExecutor
from virtualization.executors.scratch import ScratchExecutor
from virtualization.plan import Executor, QueryContext
from virtualization.types import pg_type, pg_type_by_oid, pg_type_of


@pytest.fixture(scope="module")
def duck(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckDbExecutor]:
    executor = DuckDbExecutor(256 << 20, tmp_path_factory.mktemp("spill"), 2)
    yield executor
    executor.close()


@pytest.fixture(scope="module")
def scratch(postgresql: PostgresqlServer) -> Iterator[ScratchExecutor]:
    executor = ScratchExecutor(postgresql.dsn(), max_connections=1)
    yield executor
    executor.close()


@pytest.fixture(scope="module")
def reference(postgresql: PostgresqlServer) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with postgresql.connect() as connection:
        connection.execute("SET timezone = 'UTC'")
        for number, fragment in enumerate(FRAGMENTS):
            _load(connection, f"__f{number}", fragment)
        yield connection


def _load(connection: psycopg.Connection[tuple[object, ...]], name: str, fragment: MemoryFragment) -> None:
    types = [pg_type(column.type) for column in fragment.columns]
    columns = ", ".join(f'"{column.name}" {column.type}' for column in fragment.columns)
    connection.execute(f"CREATE TEMP TABLE {name} ({columns})")  # type: ignore[call-overload]
    with connection.cursor().copy(f"COPY {name} FROM STDIN (FORMAT binary)") as copy:  # type: ignore[call-overload]
        copy.write(COPY_HEADER)
        for batch in fragment.table.to_batches():
            copy.write(bytes(copy_rows(batch, types)))
        copy.write(COPY_TRAILER)


def query(text: str) -> exp.Query:
    tree = sqlglot.parse_one(text, read="postgres")
    assert isinstance(tree, exp.Query)
    return tree


Answer = tuple[list[str], list[list[bytes | None]]] | str


def postgresql_answer(connection: psycopg.Connection[tuple[object, ...]], text: str) -> Answer:
    """Type names and rows as text, or the SQLSTATE."""
    result = connection.pgconn.exec_params(text.encode(), None)
    if result.status != psycopg.pq.ExecStatus.TUPLES_OK:
        return (result.error_field(psycopg.pq.DiagnosticField.SQLSTATE) or b"").decode()
    types = [pg_type_by_oid(result.ftype(at), result.fmod(at)).text for at in range(result.nfields)]
    return types, [[result.get_value(row, at) for at in range(result.nfields)] for row in range(result.ntuples)]


def answer(executor: Executor, text: str) -> Answer:
    from tests.virtualization.encoding.test_rows import split

    try:
        result = executor.run(query(text), FRAGMENTS, QueryContext())
        rows: list[list[bytes | None]] = []
        for batch in result:
            types = [pg_type_of(field) for field in batch.schema]
            assert [of.text for of in types] == [column.type for column in result.columns]
            rows += split(bytes(text_rows(batch, types)))
    except VirtualizationError as error:
        return error.code
    return [column.type for column in result.columns], rows


def comparable(given: Answer, text: str) -> Answer:
    if isinstance(given, str) or "ORDER BY" in text.rsplit(")", 1)[-1]:
        return given
    return given[0], sorted(given[1], key=repr)


@pytest.mark.parametrize("text", ACCEPTED)
def test_duckdb_and_scratch_equal_postgresql(
    text: str, duck: DuckDbExecutor, scratch: ScratchExecutor, reference: psycopg.Connection[tuple[object, ...]]
) -> None:
    expected = comparable(postgresql_answer(reference, text), text)
    assert duck.refuses(query(text), FRAGMENTS) is None
    assert comparable(answer(duck, text), text) == expected
    assert comparable(answer(scratch, text), text) == expected


@pytest.mark.parametrize(("text", "code"), KEPT)
def test_duckdb_refuses(text: str, code: str, duck: DuckDbExecutor) -> None:
    kept = duck.refuses(query(text), FRAGMENTS)
    assert kept is not None
    assert kept.code == code


def test_every_line_is_proved() -> None:
    used: set[object] = set()
    for text in ACCEPTED:
        translated = translate(query(text), FRAGMENTS)
        assert isinstance(translated, Translated), (text, translated)
        used |= translated.used
    wanted = {*allowed.LINES, *allowed.AGGREGATES, *allowed.COMPARISONS.values(), *allowed.WINDOW_FUNCTIONS, *allowed.VALUE_WINDOWS}
    wanted |= {("extract", unit) for unit in allowed.EXTRACT_FIELDS} | {("date_trunc", unit) for unit in allowed.TRUNCATED_UNITS}
    wanted |= set(allowed.CASTS)
    assert sorted(map(str, wanted - used)) == []


def test_describe_is_what_runs(duck: DuckDbExecutor, scratch: ScratchExecutor) -> None:
    for text in ACCEPTED[::7]:
        assert duck.describe(query(text), FRAGMENTS) == scratch.describe(query(text), FRAGMENTS), text


def columns_of(batches: Sequence[pa.RecordBatch]) -> list[dict[str, object]]:
    return pa.Table.from_batches(batches).to_pylist()


def test_a_fragment_with_duckdb_sql_is_inlined(duck: DuckDbExecutor, tmp_path: pathlib.Path) -> None:
    import pyarrow.parquet

    pyarrow.parquet.write_table(FRAGMENTS[1].table, tmp_path / "names.parquet")
    fragment = MemoryFragment(FRAGMENTS[1].table, sql=f"SELECT * FROM read_parquet('{tmp_path}/names.parquet')")
    result = duck.run(query('SELECT a."Name" AS x FROM __f0 AS a WHERE a.g = 2'), [fragment], QueryContext())
    assert columns_of(list(result)) == [{"x": "second"}]
    assert fragment.opened == []
