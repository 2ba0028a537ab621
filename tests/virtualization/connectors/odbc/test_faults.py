"""Bad input and faults, at a real MariaDB: what is wrong is said, nothing goes on running, and the source can be used again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlglot import parse_one

from tests.services.mariadb import MariadbServer
from tests.virtualization.connectors.conformance import read
from virtualization.catalog import Column, Credential, DataSource, VirtualTable
from virtualization.connectors.odbc import OdbcConnector, capabilities
from virtualization.errors import (
    CancelledError,
    RemoteObjectError,
    SourceCredentialError,
    SourceError,
    SourceTimeoutError,
    SourceUnreachableError,
)
from virtualization.plan import Declined, FragmentRequest, QueryContext

pytestmark = pytest.mark.service

ID = (Column("id", "bigint"),)
SLOW = VirtualTable("public", "t", "src", "slow", (*ID, Column("s", "integer")))
LONG = VirtualTable("public", "t", "src", "long_", ID)


@pytest.fixture(scope="module")
def shop(mariadb: MariadbServer) -> MariadbServer:
    mariadb.run(
        "CREATE DATABASE faults",
        "CREATE VIEW faults.slow AS SELECT 1 AS id, SLEEP(300) AS s",
        "CREATE TABLE faults.long_ (id bigint)",
        "INSERT INTO faults.long_ SELECT seq FROM test.seq_1_to_100000",
        "CREATE USER stranger@'%' IDENTIFIED BY 'planted-secret'",
        "GRANT SELECT ON faults.long_ TO stranger@'%'",
        f"CREATE TABLE faults.wide ({', '.join(f'c{number} int' for number in range(1000))})",
        f"CREATE TABLE faults.texts ({', '.join(f'c{number} longtext' for number in range(200))})",
        "INSERT INTO faults.texts (c1) VALUES ('a'), ('b')",
    )
    return mariadb


@pytest.fixture
def connect(shop: MariadbServer) -> Iterator[Callable[..., OdbcConnector]]:
    made: list[OdbcConnector] = []

    def connector(**options: str) -> OdbcConnector:
        made.append(OdbcConnector(shop.source("faults", **options)))
        return made[-1]

    yield connector
    for one in made:
        one.close()


def running(shop: MariadbServer) -> list[str]:
    """What runs there, besides the question."""
    with shop.connect() as asked:
        found = asked.execute("SELECT info FROM information_schema.processlist WHERE info LIKE '%slow%' AND info NOT LIKE '%processlist%'")
        return [row[0] for row in found.fetchall()]


def eventually(holds: Callable[[], Any], seconds: float = 60.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.05)
    return False


def test_cancel_reaches_the_source(shop: MariadbServer, connect: Callable[..., OdbcConnector]) -> None:
    context = QueryContext()
    batches = connect().scan(SLOW, ["id", "s"], []).fragment.open(context)
    assert eventually(lambda: running(shop))
    threading.Timer(0.1, context.cancel).start()
    with pytest.raises(CancelledError):
        list(batches)
    batches.close()
    assert eventually(lambda: not running(shop)), "the statement is ended there, too"


def test_leaving_early_ends_the_statement(shop: MariadbServer, connect: Callable[..., OdbcConnector]) -> None:
    batches = connect().scan(SLOW, ["id", "s"], []).fragment.open(QueryContext())
    assert eventually(lambda: running(shop))
    batches.close()
    assert eventually(lambda: not running(shop))


def test_the_time_limit(shop: MariadbServer, connect: Callable[..., OdbcConnector]) -> None:
    connector = connect(statement_timeout="0.5")
    with pytest.raises(SourceTimeoutError, match="no row within the source's time limit"):
        read(connector.scan(SLOW, ["id", "s"], []).fragment)
    assert eventually(lambda: not running(shop))


def test_the_connection_cap(connect: Callable[..., OdbcConnector]) -> None:
    connector = connect(max_connections="1", pool_timeout="0.5", fetch_rows="10")
    first = connector.scan(LONG, ["id"], []).fragment.open(QueryContext())
    next(iter(first))
    with pytest.raises(SourceTimeoutError, match="no free connection within"):
        read(connector.scan(LONG, ["id"], []).fragment)
    first.close()
    assert eventually(lambda: _reads(connector)), "the place is free again"


def _reads(connector: OdbcConnector) -> bool:
    try:
        return read(connector.scan(LONG, ["id"], []).fragment).num_rows == 100_000
    except SourceTimeoutError:
        return False


def test_a_lost_idle_session_is_noticed_and_replaced(shop: MariadbServer, connect: Callable[..., OdbcConnector]) -> None:
    connector = connect()
    assert read(connector.scan(LONG, ["id"], []).fragment).num_rows == 100_000
    _kill_all(shop)
    assert read(connector.scan(LONG, ["id"], []).fragment).num_rows == 100_000


def test_the_connection_breaks_under_a_statement(shop: MariadbServer, connect: Callable[..., OdbcConnector]) -> None:
    batches = connect().scan(SLOW, ["id", "s"], []).fragment.open(QueryContext())
    assert eventually(lambda: running(shop))
    _kill_all(shop)
    with pytest.raises(SourceUnreachableError, match="the connection was lost"):
        list(batches)
    batches.close()


def _kill_all(shop: MariadbServer) -> None:
    with shop.connect() as asked:
        for (number,) in asked.execute("SELECT id FROM information_schema.processlist WHERE db = 'faults'").fetchall():
            asked.execute(f"KILL {number}")


def test_wrong_password_and_missing_rights(shop: MariadbServer) -> None:
    stranger = DataSource("src", "odbc", shop.source("faults").location, {}, Credential("stranger", "wrong-planted-secret"))
    with pytest.raises(SourceCredentialError, match="refused the login") as caught:
        OdbcConnector(stranger).test()
    assert "planted" not in f"{caught.value!r} {caught.value.detail} {caught.value.hint}"
    right = OdbcConnector(DataSource("src", "odbc", stranger.location, {}, Credential("stranger", "planted-secret")))
    assert read(right.scan(LONG, ["id"], []).fragment).num_rows == 100_000
    shop.run("REVOKE SELECT ON faults.long_ FROM stranger@'%'")
    with pytest.raises(SourceCredentialError, match="denied") as caught:
        read(right.scan(LONG, ["id"], []).fragment)
    assert caught.value.hint and "Grant SELECT" in caught.value.hint
    right.close()


def test_wrong_database(shop: MariadbServer) -> None:
    source = shop.source("nowhere")
    with pytest.raises((RemoteObjectError, SourceCredentialError), match="nowhere"):
        OdbcConnector(source).test()


def test_a_table_dropped_after_planning(shop: MariadbServer, connect: Callable[..., OdbcConnector]) -> None:
    shop.run("CREATE TABLE faults.brief (id bigint)")
    fragment = connect().scan(VirtualTable("public", "t", "src", "brief", ID), ["id"], []).fragment
    shop.run("DROP TABLE faults.brief")
    with pytest.raises(RemoteObjectError, match="brief") as caught:
        read(fragment)
    assert caught.value.hint and "refresh_table" in caught.value.hint


def test_many_columns(connect: Callable[..., OdbcConnector]) -> None:
    connector = connect()
    detected = connector.detect("wide", {})
    assert len(detected.columns) == 1000
    table = VirtualTable("public", "t", "src", "wide", detected.columns)
    assert read(connector.scan(table, [column.name for column in table.columns], []).fragment).num_columns == 1000


def test_many_long_texts(connect: Callable[..., OdbcConnector]) -> None:
    table = VirtualTable("public", "t", "src", "texts", tuple(Column(f"c{number}", "text") for number in range(200)))
    names = [column.name for column in table.columns]
    assert read(connect().scan(table, names, []).fragment)["c1"].to_pylist() == ["a", "b"]
    with pytest.raises(SourceError, match="texts of one row may need more") as caught:
        read(connect(max_value_bytes="1000000000").scan(table, names, []).fragment)
    assert caught.value.hint and "max_value_bytes" in caught.value.hint


def test_a_driver_that_nothing_is_known_of(
    shop: MariadbServer, connect: Callable[..., OdbcConnector], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Right on day one: columns are chosen there, the rest is done here, and EXPLAIN says why."""
    monkeypatch.setattr(capabilities, "known", tuple)
    connector = connect()
    predicate = parse_one('"id" = 7', dialect="postgres")
    scanned = connector.scan(LONG, ["id"], [predicate])
    assert scanned.left == (predicate,) and [kept.code for kept in scanned.kept] == ["no_capabilities"]
    assert read(scanned.fragment)["id"].to_pylist() == list(range(1, 100_001))
    assert scanned.fragment.text == "SELECT `t0`.`id` AS c0 FROM `long_` `t0`"
    query = parse_one("SELECT count(*) FROM public.t AS t", dialect="postgres")
    answer = connector.push(FragmentRequest(query, {"t": LONG}, shop.source("faults")))
    assert isinstance(answer, Declined) and answer.kept[0].code == "no_capabilities"


def test_pushdown_off(connect: Callable[..., OdbcConnector]) -> None:
    connector = connect(pushdown="off")
    predicate = parse_one('"id" = 7', dialect="postgres")
    assert [kept.code for kept in connector.scan(LONG, ["id"], [predicate]).kept] == ["switched_off"]


def test_objects(shop: MariadbServer, connect: Callable[..., OdbcConnector]) -> None:
    found = {one.name: (one.schema, one.location, one.kind) for one in connect().objects("faults")}
    assert found["slow"] == ("faults", '"faults"."slow"', "view")
    assert found["long_"] == ("faults", '"faults"."long_"', "table")
    with pytest.raises(RemoteObjectError, match="nowhere"):
        connect().objects("nowhere")
