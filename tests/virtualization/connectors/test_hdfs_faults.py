"""The connector ``hdfs`` when its NameNode or DataNodes fail, refuse, are slow, or change what is being read."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import duckdb
import pyarrow as pa
import pytest

from tests.patience import PATIENCE, SOON, eventually
from tests.services.hdfs import HdfsServer
from tests.services.postgresql import free_port
from tests.services.proxy import proxy
from tests.virtualization.connectors.conformance import BIG_ROWS, ROWS, failed, ids, read, table
from tests.virtualization.connectors.served_lake import ID, filled, rows, source
from virtualization.catalog import DataSource
from virtualization.connectors.hdfs import HdfsConnector
from virtualization.connectors.hdfs.client import Client
from virtualization.errors import (
    RemoteObjectError,
    SourceCredentialError,
    SourceError,
    SourceTimeoutError,
    SourceUnreachableError,
)
from virtualization.plan import BeginsEarly, Fragment, QueryContext, TakesKeys

pytestmark = pytest.mark.service


@pytest.fixture(scope="module")
def lake(hdfs: HdfsServer) -> Iterator[HdfsServer]:
    with filled(hdfs) as made:
        yield made


@pytest.fixture(scope="module")
def connector(lake: HdfsServer) -> Iterator[HdfsConnector]:
    made = HdfsConnector(source(lake))
    yield made
    made.close()


def test_identity_and_permission(lake: HdfsServer) -> None:
    lake.write("/private/x.csv", "id\n1\n")
    with lake.superuser() as client:
        client.set_permission("/private", 0o700)
    eve, owner = HdfsConnector(source(lake, user="eve")), HdfsConnector(source(lake))
    of = table("/private/x.csv", [ID])

    def attempt(number: int) -> bool:
        if number % 2:
            with pytest.raises(SourceCredentialError, match='"eve" may not read /private'):
                rows(eve, of)
            return False
        return rows(owner, of) == [(1,)]

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(attempt, range(30))) == [True, False] * 15
    eve.close()
    owner.close()


def test_file_replaced_during_the_query(connector: HdfsConnector, lake: HdfsServer) -> None:
    lake.write("/change/a.csv", "id\n1\n")
    fragment = connector.scan(table("/change/a.csv", [ID]), ["id"], []).fragment
    with duckdb.connect() as connection:
        fragment.prepare_duckdb(connection)
        inline = fragment.duckdb_sql()
        time.sleep(0.01)
        lake.write("/change/a.csv", "id\n2\n3\n")
        with pytest.raises(duckdb.Error) as caught:
            connection.sql(f"SELECT * FROM ({inline})").fetchall()
    meant = fragment.fault(caught.value)  # type: ignore[attr-defined]
    assert isinstance(meant, RemoteObjectError) and "/change/a.csv was replaced during the query" in meant.message
    assert fragment.fault(duckdb.OutOfRangeException("Out of Range Error: overflow")) is None  # type: ignore[attr-defined]
    assert ids(fragment) == [2, 3]


def inline_ids(fragment: Fragment) -> list[int]:
    """As an engine reads it; what the files have against it is raised."""
    with duckdb.connect() as connection:
        fragment.prepare_duckdb(connection)
        try:
            return sorted(row[0] for row in connection.sql(f"SELECT * FROM ({fragment.duckdb_sql()})").fetchall())
        except duckdb.Error as error:
            raise fragment.fault(error) or error from None


def test_a_file_that_is_opened_ahead_is_opened_once(connector: HdfsConnector, lake: HdfsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.write("/ahead/a.csv", "id\n1\n")
    of = connector.scan(table("/ahead/*.csv", [ID]), ["id"], []).fragment
    assert isinstance(of, BeginsEarly)
    inline_ids(of)  # what files of this kind look like is known from now on
    opened: list[str] = []
    opens = Client.open
    monkeypatch.setattr(Client, "open", lambda self, file: opened.append(file.path) or opens(self, file))
    begun = of.begun()
    eventually(lambda: opened == ["/ahead/a.csv"], "the file was not opened ahead")
    assert inline_ids(begun) == [1]
    assert opened == ["/ahead/a.csv"]
    assert isinstance(begun, TakesKeys)
    assert inline_ids(begun.with_keys("id", pa.array([1, 2]))) == [1]  # the reader was given away: another is opened
    assert opened == ["/ahead/a.csv"] * 2


def test_a_file_replaced_after_it_was_opened_ahead(connector: HdfsConnector, lake: HdfsServer) -> None:
    lake.write("/ahead/b.csv", "id\n1\n")
    of = connector.scan(table("/ahead/b.csv", [ID]), ["id"], []).fragment
    assert isinstance(of, BeginsEarly)
    begun = of.begun()
    begun.duckdb_sql()  # listed, and being opened
    time.sleep(0.01)
    lake.write("/ahead/b.csv", "id\n2\n3\n")
    try:
        assert inline_ids(begun) == [1]  # its blocks are still there
    except RemoteObjectError as error:
        assert "/ahead/b.csv was replaced during the query" in error.message
    assert ids(of) == [2, 3]


def test_what_goes_wrong_ahead_is_said_by_who_reads(connector: HdfsConnector) -> None:
    of = connector.scan(table("/ahead/missing.csv", [ID]), ["id"], []).fragment
    assert isinstance(of, BeginsEarly)
    begun = of.begun()
    for _ in range(2):
        with pytest.raises(RemoteObjectError, match=r"/ahead/missing\.csv does not exist"):
            begun.duckdb_sql()


def test_unreachable_and_silent_namenode() -> None:
    start = time.monotonic()
    with pytest.raises(SourceUnreachableError):
        HdfsConnector(DataSource("src", "hdfs", f"hdfs://127.0.0.1:{free_port()}")).test()
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(SourceTimeoutError):
        HdfsConnector(DataSource("src", "hdfs", f"hdfs://127.0.0.1:{silent.getsockname()[1]}", {"timeout": "1"})).test()
    assert time.monotonic() - start < SOON


def test_what_fails_while_a_file_is_read_is_our_error(connector: HdfsConnector, lake: HdfsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when every DataNode is down: the native client's own exception must not reach the engine unnamed."""
    lake.write("/broken/read.csv", "id\n1\n")

    class Reader:
        def read_range(self, _start: int, _length: int) -> bytes:
            raise RuntimeError("all datanodes failed")

    fragment = connector.scan(table("/broken/read.csv", [ID]), ["id"], []).fragment
    text = fragment.duckdb_sql()  # what the file looks like was read by now
    monkeypatch.setattr(type(connector._client), "open", lambda _self, _file: Reader())
    with duckdb.connect() as connection:
        fragment.prepare_duckdb(connection)
        with pytest.raises(duckdb.Error) as caught:
            connection.sql(f"SELECT sum(id) FROM ({text})").fetchall()
    meant = fragment.fault(caught.value)  # type: ignore[attr-defined]
    assert isinstance(meant, SourceError) and "/broken/read.csv: all datanodes failed" in meant.message
    with pytest.raises(SourceError, match="all datanodes failed"):
        ids(connector.scan(table("/broken/read.csv", [ID]), ["id"], []).fragment)


def test_datanode_killed_during_the_query(connector: HdfsConnector, lake: HdfsServer) -> None:
    big = connector.scan(table("/p/big.parquet", [ID]), ["id"], []).fragment
    batches = big.open(QueryContext())
    iterator = iter(batches)
    count = next(iterator).num_rows
    lake.datanodes[0].kill()
    try:
        lake.datanodes[0].wait()
        count += sum(batch.num_rows for batch in iterator)
        assert count == BIG_ROWS
        assert read(big).num_rows == BIG_ROWS
        assert len(ids(connector.scan(table("/c/rows", format="csv"), ["id"], []).fragment)) == len(ROWS)
    finally:
        lake.restart_datanode(0)


def test_namenode_goes_away_between_two_queries(lake: HdfsServer) -> None:
    with proxy(int(lake.location.rsplit(":", 1)[1])) as between:
        connector = HdfsConnector(DataSource("src", "hdfs", f"hdfs://127.0.0.1:{between.port}", {"user": "nobody", "timeout": "5"}))
        of = table("/c/rows", format="csv")
        assert len(rows(connector, of, columns=["id"])) == len(ROWS)
        between.cut()
        assert len(rows(connector, of, columns=["id"])) == len(ROWS)
        between.close()
        error = failed(lambda: rows(connector, of, columns=["id"]))
        assert isinstance(error, SourceUnreachableError | SourceTimeoutError)
        connector.close()


def test_every_datanode_is_down(lake: HdfsServer) -> None:
    """In the middle of an answer, which is whole (it was read ahead) or one error, and at the start of the next. Nothing stays in memory
    here, which would serve."""
    with closing(HdfsConnector(source(lake, cache_mb="0"))) as connector:
        big = connector.scan(table("/p/big.parquet", [ID]), ["id"], []).fragment
        iterator = iter(big.open(QueryContext()))
        count = next(iterator).num_rows
        for datanode in lake.datanodes:
            datanode.kill()
            datanode.wait()
        try:
            try:
                assert count + sum(batch.num_rows for batch in iterator) == BIG_ROWS
            except SourceError as error:
                assert "/p/big.parquet: no DataNode" in error.message
            assert isinstance(failed(lambda: read(big), "/p/big.parquet: no DataNode"), SourceError)
        finally:
            for number in range(len(lake.datanodes)):
                lake.restart_datanode(number)
        assert read(big).num_rows == BIG_ROWS


def test_a_namenode_that_does_not_know_yet_who_has_the_blocks_is_asked_again(lake: HdfsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """As just after a start: DataNodes come one by one, and tell what they have a moment later."""
    lake.write("/settling/a.csv", "id\n7\n")
    of = table("/settling/a.csv", [ID])
    with closing(HdfsConnector(source(lake, cache_mb="0"))) as connector:
        assert rows(connector, of) == [(7,)]
        for datanode in lake.datanodes:
            datanode.kill()
            datanode.wait()
        try:
            eventually(lambda: not lake.live(), "the NameNode takes its DataNodes for dead")
            monkeypatch.setattr("virtualization.connectors.hdfs.reader.SETTLE_SECONDS", 0.5)
            assert isinstance(
                failed(lambda: rows(connector, of), "/settling/a.csv: no DataNode that has it answers (none is known)"), SourceError
            )
            monkeypatch.setattr("virtualization.connectors.hdfs.reader.SETTLE_SECONDS", PATIENCE)
            with ThreadPoolExecutor(1) as pool:
                asked = pool.submit(rows, connector, of)
                lake.restart_datanode(0)
                assert asked.result() == [(7,)]
        finally:
            for number in range(len(lake.datanodes)):
                if lake.datanodes[number].poll() is not None:
                    lake.restart_datanode(number)
