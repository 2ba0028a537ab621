"""What every connector must do, whatever its source. A connector joins by a class that inherits ``ConnectorConformance`` and gives the
fixtures ``connector`` and ``tables``: the tables of ``TABLES`` as they lie at its source; and by one that inherits ``FaultConformance``
and gives ``trouble``: how its source is got into trouble.

A gap is a strict xfail in the joining class, marked *not implemented / not possible yet / never, because …*.
"""

from __future__ import annotations

import dataclasses
import datetime
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from sqlglot import parse_one

from tests.patience import PATIENCE
from tests.services.postgresql import free_port
from tests.services.proxy import proxy
from virtualization.catalog import Column, VirtualTable
from virtualization.errors import (
    CancelledError,
    DataError,
    DefinitionError,
    RemoteObjectError,
    SourceCredentialError,
    SourceTimeoutError,
    SourceUnreachableError,
    UnknownColumnError,
    VirtualizationError,
)
from virtualization.plan import Connector, Declined, Fragment, FragmentRequest, QueryContext
from virtualization.types import PG_TYPE, schema_of

COLUMNS = (
    Column("id", "bigint"),
    Column("n", "integer"),
    Column("amount", "numeric(12,2)"),
    Column("ratio", "double precision"),
    Column("flag", "boolean"),
    Column("name", "text"),
    Column("Day Of", "date"),
    Column("at", "timestamp without time zone"),
)
ROWS: list[tuple[Any, ...]] = [
    (1, 10, Decimal("1.50"), 0.5, True, "alpha", datetime.date(2024, 1, 1), datetime.datetime(2024, 1, 1, 12, 30)),
    (2, -10, Decimal("-2.25"), -1.0, False, "Beta", datetime.date(1, 1, 1), datetime.datetime(1969, 12, 31, 23, 59, 59, 999999)),
    (3, 2147483647, Decimal("9999999999.99"), 1e308, True, "", datetime.date(9999, 12, 31), datetime.datetime(9999, 12, 31)),
    (4, None, None, None, None, None, None, None),
    (5, 0, Decimal("0.00"), 5e-324, False, "ünï 'q\" \\ ,;日本", datetime.date(2024, 2, 29), datetime.datetime(2024, 2, 29)),
    (9223372036854775807, 7, Decimal("7.00"), 0.1, True, "zebra", datetime.date(2024, 1, 2), datetime.datetime(2024, 1, 2)),
]
BIG_ROWS = 300_000

FILTERS: list[tuple[str, list[int]]] = [
    ('"id" = 2', [2]),
    ('"id" <> 2 AND "id" < 5', [1, 3, 4]),
    ('"n" >= 7', [1, 3, ROWS[5][0]]),
    ('"n" IS NULL', [4]),
    ('"n" IS NOT NULL AND "id" <= 3', [1, 2, 3]),
    ('"n" IN (10, 0)', [1, 5]),
    ('NOT "n" IN (10, 0)', [2, 3, ROWS[5][0]]),
    ('"n" BETWEEN -10 AND 5', [2, 5]),
    ('NOT ("n" BETWEEN -10 AND 5)', [1, 3, ROWS[5][0]]),
    ('"amount" < 0', [2]),
    ('"amount" = 1.50', [1]),
    ('"ratio" > 0.3', [1, 3]),
    ('"flag"', [1, 3, ROWS[5][0]]),
    ('NOT "flag"', [2, 5]),
    ("\"name\" = ''", [3]),
    ("\"name\" < 'a'", [2, 3]),
    ("\"name\" > 'alpha'", [5, ROWS[5][0]]),
    ("\"name\" = 'ünï ''q\" \\ ,;日本'", [5]),
    ("\"Day Of\" = '2024-02-29'", [5]),
    ("\"Day Of\" > CAST('2024-01-01' AS DATE)", [3, 5, ROWS[5][0]]),
    ("\"at\" <= '1970-01-01'", [2]),
    ('"n" = 10 OR "name" IS NULL', [1, 4]),
]


def table(location: str, columns: Sequence[Column] = COLUMNS, name: str = "t", **options: str) -> VirtualTable:
    """A virtual table of source ``src``."""
    return VirtualTable("public", name, "src", location, tuple(columns), options)


def read(fragment: Fragment, context: QueryContext | None = None) -> pa.Table:
    """All rows; the stream's schema must be what the fragment promises."""
    batches = fragment.open(context or QueryContext())
    rows = pa.Table.from_batches(list(batches), batches.schema)
    assert [(f.name, f.metadata[PG_TYPE].decode()) for f in rows.schema] == [(c.name, c.type) for c in fragment.columns]
    return rows


@contextmanager
def closing_all(*connectors: Connector) -> Iterator[list[Connector]]:
    """They are closed at the block's end."""
    with ExitStack() as stack:
        yield [stack.enter_context(closing(connector)) for connector in connectors]


def ids(fragment: Fragment) -> list[int]:
    return sorted(read(fragment)["id"].to_pylist())


class ConnectorConformance:
    """The suite. ``tables`` has ``rows`` (ROWS), ``empty``, ``big`` (``big_rows`` ids from 0), ``missing`` (not there)."""

    big_rows = BIG_ROWS

    def test_answers_a_test(self, connector: Connector) -> None:
        tested = connector.test()
        assert tested.version and 0 < tested.milliseconds < 60_000

    def test_all_columns_with_edge_values(self, connector: Connector, tables: dict[str, VirtualTable]) -> None:
        rows = read(connector.scan(tables["rows"], [c.name for c in COLUMNS], []).fragment)
        assert rows.schema.types == schema_of(COLUMNS).types
        assert sorted((tuple(row.values()) for row in rows.to_pylist()), key=lambda row: row[0]) == ROWS

    def test_projection_in_the_asked_order(self, connector: Connector, tables: dict[str, VirtualTable]) -> None:
        rows = read(connector.scan(tables["rows"], ["Day Of", "id"], []).fragment)
        assert rows.column_names == ["Day Of", "id"]
        assert rows.num_rows == len(ROWS)

    def test_no_column_still_counts_rows(self, connector: Connector, tables: dict[str, VirtualTable]) -> None:
        assert read(connector.scan(tables["rows"], [], []).fragment).num_rows == len(ROWS)

    @pytest.mark.parametrize(("predicate", "expected"), FILTERS, ids=[text for text, _ in FILTERS])
    def test_filter(self, connector: Connector, tables: dict[str, VirtualTable], predicate: str, expected: list[int]) -> None:
        scanned = connector.scan(tables["rows"], ["id"], [parse_one(predicate, dialect="postgres")])
        if scanned.left:
            assert [kept.code for kept in scanned.kept], "what is left has a reason"
            assert set(expected) <= set(ids(scanned.fragment))
        else:
            assert ids(scanned.fragment) == sorted(expected)

    def test_takes_plain_comparisons(self, connector: Connector, tables: dict[str, VirtualTable]) -> None:
        predicates = [parse_one(text, dialect="postgres") for text in ('"id" = 1', '"amount" > 0', "\"name\" = 'alpha'", '"n" IS NOT NULL')]
        scanned = connector.scan(tables["rows"], ["id"], predicates)
        assert scanned.left == ()
        assert ids(scanned.fragment) == [1]

    def test_leaves_what_it_does_not_know(self, connector: Connector, tables: dict[str, VirtualTable]) -> None:
        predicate = parse_one('"n" = random()', dialect="postgres")
        scanned = connector.scan(tables["rows"], ["id"], [predicate, parse_one('"id" < 3', dialect="postgres")])
        assert scanned.left == (predicate,)
        assert ids(scanned.fragment) == [1, 2]

    def test_empty_table(self, connector: Connector, tables: dict[str, VirtualTable]) -> None:
        assert read(connector.scan(tables["empty"], ["id", "name"], []).fragment).num_rows == 0

    def test_fragment_runs_again_and_side_by_side(self, connector: Connector, tables: dict[str, VirtualTable]) -> None:
        fragment = connector.scan(tables["rows"], ["id"], []).fragment
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: ids(fragment), range(24)))
        assert answers == [sorted(row[0] for row in ROWS)] * 24

    def test_big_answer_comes_in_batches(self, connector: Connector, tables: dict[str, VirtualTable]) -> None:
        batches = connector.scan(tables["big"], ["id"], []).fragment.open(QueryContext())
        sizes = [batch.num_rows for batch in batches]
        assert sum(sizes) == self.big_rows
        assert len(sizes) > 1

    def test_leaving_early_frees_the_source(self, connector: Connector, tables: dict[str, VirtualTable]) -> None:
        fragment = connector.scan(tables["big"], ["id"], []).fragment
        for _ in range(12):  # more than any pool holds (10)
            batches = fragment.open(QueryContext())
            assert next(iter(batches)).num_rows
            batches.close()
            batches.close()
        assert len(ids(connector.scan(tables["rows"], ["id"], []).fragment)) == len(ROWS)

    def test_cancel(self, connector: Connector, tables: dict[str, VirtualTable]) -> None:
        context = QueryContext()
        batches = connector.scan(tables["big"], ["id"], []).fragment.open(context)
        iterator = iter(batches)
        next(iterator)
        cancel = threading.Thread(target=context.cancel)
        cancel.start()
        cancel.join()
        with pytest.raises(CancelledError):
            while True:  # what was under way may still come
                next(iterator)
        batches.close()
        assert len(ids(connector.scan(tables["rows"], ["id"], []).fragment)) == len(ROWS)

    def test_missing_object(self, connector: Connector, tables: dict[str, VirtualTable]) -> None:
        with pytest.raises(RemoteObjectError) as caught:
            read(connector.scan(tables["missing"], ["id"], []).fragment)
        assert "src" in caught.value.message and "missing" in caught.value.message and caught.value.hint

    def test_missing_remote_column(self, connector: Connector, tables: dict[str, VirtualTable]) -> None:
        changed = VirtualTable("public", "t", "src", tables["rows"].location, (*COLUMNS, Column("gone", "text")), tables["rows"].options)
        with pytest.raises(RemoteObjectError, match="gone"):
            read(connector.scan(changed, ["id", "gone"], []).fragment)

    def test_unknown_column(self, connector: Connector, tables: dict[str, VirtualTable]) -> None:
        with pytest.raises(UnknownColumnError, match="nope"):
            connector.scan(tables["rows"], ["nope"], [])

    def test_detect(self, connector: Connector, tables: dict[str, VirtualTable]) -> None:
        detected = connector.detect(tables["rows"].location, {})
        assert [column.name for column in detected.columns] == [column.name for column in COLUMNS]
        assert {column.name: column.type for column in detected.columns}["name"] == "text"
        found = VirtualTable("public", "t", "src", tables["rows"].location, detected.columns, detected.options)
        assert ids(connector.scan(found, ["id"], []).fragment) == sorted(row[0] for row in ROWS)

    def test_detect_of_nothing(self, connector: Connector, tables: dict[str, VirtualTable]) -> None:
        with pytest.raises(RemoteObjectError, match="missing"):
            connector.detect(tables["missing"].location, {})

    def test_push_takes_or_says_why(self, connector: Connector, tables: dict[str, VirtualTable]) -> None:
        from virtualization.catalog import DataSource

        query = parse_one("SELECT random() AS x FROM public.t AS t", dialect="postgres")
        answer = connector.push(FragmentRequest(query, {"t": tables["rows"]}, DataSource("src", "", "")))
        assert isinstance(answer, Declined) and answer.kept[0].code and answer.kept[0].why

    def test_errors_never_show_the_credential(self, broken: list[Connector]) -> None:
        for connector in broken:
            with pytest.raises(VirtualizationError) as caught:
                connector.test()
            shown = f"{caught.value.message} {caught.value.detail} {caught.value.hint} {caught.value!r} {caught.value.__cause__!r}"
            assert "src" in caught.value.message and "planted-secret" not in shown


class Trouble:
    """What a joining module tells of its own kind. ``rows``: three rows, ids 1 to 3, a column ``n``; ``endless``: a column ``id``, more
    rows than buffers hold; ``slow``: a column ``id``, no row for minutes."""

    port: int
    rows: VirtualTable
    endless: VirtualTable
    slow: VirtualTable

    def behind(self, port: int, **options: str) -> Connector:
        """The connector over another port of this machine that leads to the source, with options of the source."""
        raise NotImplementedError

    def stranger(self) -> Connector:
        """With the password ``planted-secret``, which is wrong."""
        raise NotImplementedError

    def without_right(self) -> AbstractContextManager[None]:
        """For the block the source's user may not read the table ``rows``."""
        raise NotImplementedError

    def retyped(self) -> AbstractContextManager[None]:
        """For the block the column ``n`` of ``rows`` holds the text ``abc``."""
        raise NotImplementedError

    def running(self) -> Sequence[object]:
        """Statements that run at the source, but for the one that asks."""
        raise NotImplementedError

    @contextmanager
    def connected(self, **options: str) -> Iterator[Connector]:
        """To the source itself."""
        with closing(self.behind(self.port, **options)) as made:
            yield made


def failed(work: Callable[[], object], *says: str) -> VirtualizationError:
    """The one clear error that ``work`` ends with, in time: it names the source and all of ``says`` in one line, and what to do next."""
    begun = time.monotonic()
    with pytest.raises(VirtualizationError) as caught:
        work()
    error = caught.value
    assert time.monotonic() - begun < PATIENCE
    assert all(part in error.message for part in ('"src"', *says)) and "\n" not in error.message and len(error.message) < 600, error.message
    assert error.hint or error.code == CancelledError.code
    assert not any(word in f"{error.message} {error.detail} {error.hint}" for word in ("planted-secret", "Traceback", "0x7"))
    return error


def until(done: Callable[[], bool], what: str) -> None:
    """Wait for it."""
    end = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < end, what
        time.sleep(0.02)


class FaultConformance:
    """A source in trouble: one clear error, nothing left running, and all is well when the trouble is over."""

    @pytest.fixture(autouse=True)
    def _nothing_left(self, trouble: Trouble) -> Iterator[None]:
        yield
        until(lambda: not trouble.running(), "a statement goes on at the source")

    def test_down_at_start(self, trouble: Trouble) -> None:
        with closing(trouble.behind(free_port(), connect_timeout="2")) as made:
            for work in (made.test, lambda: made.detect(trouble.rows.location, {}), lambda: found(made, trouble.rows)):
                assert type(failed(work)) is SourceUnreachableError

    def test_accepts_and_says_nothing(self, trouble: Trouble) -> None:
        with (
            socket.create_server(("127.0.0.1", 0)) as silent,
            closing(trouble.behind(silent.getsockname()[1], connect_timeout="2")) as made,
        ):
            assert isinstance(failed(made.test), SourceUnreachableError | SourceTimeoutError)

    def test_down_in_the_middle(self, trouble: Trouble) -> None:
        with proxy(trouble.port) as between, closing(trouble.behind(between.port)) as made:
            batches = made.scan(trouble.endless, ["id"], []).fragment.open(QueryContext())
            iterator = iter(batches)
            assert next(iterator).num_rows
            between.cut()
            assert type(failed(lambda: list(iterator), trouble.endless.location)) is SourceUnreachableError
            batches.close()
            assert found(made, trouble.rows) == [1, 2, 3]

    def test_down_between_two_queries(self, trouble: Trouble) -> None:
        with proxy(trouble.port) as between, closing(trouble.behind(between.port)) as made:
            assert found(made, trouble.rows) == [1, 2, 3]
            between.cut()
            assert found(made, trouble.rows) == [1, 2, 3]

    def test_slow(self, trouble: Trouble) -> None:
        with trouble.connected(statement_timeout="0.5") as made:
            error = failed(lambda: found(made, trouble.slow), trouble.slow.location)
            assert type(error) is SourceTimeoutError and "statement_timeout" in (error.hint or "")

    def test_cancel_reaches_the_source(self, trouble: Trouble) -> None:
        context = QueryContext()
        with trouble.connected() as made:
            fragment = made.scan(trouble.slow, ["id"], []).fragment

            def stop() -> None:
                until(lambda: bool(trouble.running()), "it never began")
                context.cancel()

            stopping = threading.Thread(target=stop)
            stopping.start()
            with pytest.raises(CancelledError):
                read(fragment, context)
            stopping.join()
            until(lambda: not trouble.running(), "the statement goes on")
            assert found(made, trouble.rows) == [1, 2, 3]

    def test_left_after_the_first_rows(self, trouble: Trouble) -> None:
        with trouble.connected() as made:
            batches = made.scan(trouble.endless, ["id"], []).fragment.open(QueryContext())
            assert next(iter(batches)).num_rows
            batches.close()
            until(lambda: not trouble.running(), "the statement goes on")

    def test_wrong_password(self, trouble: Trouble) -> None:
        with closing(trouble.stranger()) as made:
            assert type(failed(made.test)) is SourceCredentialError
            assert type(failed(lambda: found(made, trouble.rows))) is SourceCredentialError

    def test_right_revoked_on_one_table(self, trouble: Trouble) -> None:
        with trouble.connected() as made:
            assert found(made, trouble.rows) == [1, 2, 3]
            with trouble.without_right():
                error = failed(lambda: found(made, trouble.rows), trouble.rows.location)
                assert isinstance(error, SourceCredentialError | RemoteObjectError) and "grant" in (error.hint or "").lower()
                batches = made.scan(trouble.endless, ["id"], []).fragment.open(QueryContext())
                assert next(iter(batches)).num_rows
                batches.close()
            assert found(made, trouble.rows) == [1, 2, 3]

    def test_column_of_another_type(self, trouble: Trouble) -> None:
        with trouble.connected() as made:
            fragment = made.scan(trouble.rows, ["n"], []).fragment
            with trouble.retyped():
                planned_before = failed(lambda: read(fragment), trouble.rows.location.split(".")[-1])
                planned_now = failed(lambda: read(made.scan(trouble.rows, ["n"], []).fragment), trouble.rows.location.split(".")[-1])
                assert isinstance(planned_before, DataError | RemoteObjectError)
                assert isinstance(planned_now, DataError | RemoteObjectError | DefinitionError)
            assert found(made, trouble.rows) == [1, 2, 3]

    def test_connection_cap(self, trouble: Trouble) -> None:
        with trouble.connected(max_connections="1", pool_timeout="0.3") as made:
            held = made.scan(trouble.endless, ["id"], []).fragment.open(QueryContext())
            assert next(iter(held)).num_rows
            error = failed(lambda: found(made, trouble.rows), "no free connection")
            assert type(error) is SourceTimeoutError and "max_connections" in (error.hint or "")
            held.close()
            until(lambda: answers(made, trouble.rows), "the place is free again")

    def test_type_beyond_the_map(self, trouble: Trouble) -> None:
        column = dataclasses.replace(trouble.rows.columns[1], type="int4multirange")
        strange = VirtualTable("public", "t", "src", trouble.rows.location, (column,), trouble.rows.options)
        with trouble.connected() as made, pytest.raises(DefinitionError, match="int4multirange") as caught:
            read(made.scan(strange, ["n"], []).fragment)
        assert caught.value.hint


def found(connector: Connector, table: VirtualTable) -> list[int]:
    """Its ids."""
    return ids(connector.scan(table, ["id"], []).fragment)


def answers(connector: Connector, table: VirtualTable) -> bool:
    """Does it give rows, or is its cap reached still?"""
    try:
        return bool(found(connector, table))
    except SourceTimeoutError:
        return False
