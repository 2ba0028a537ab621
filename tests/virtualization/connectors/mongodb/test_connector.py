"""Reading: types by policy, nested objects, arrays, detection; what arrived at the server; ends of all kinds."""

from __future__ import annotations

import dataclasses
import datetime
import logging
import math
import threading
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from bson import Binary, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, encode
from bson.raw_bson import RawBSONDocument
from pymongo.monitoring import CommandListener, CommandStartedEvent
from sqlglot import parse_one

from tests.services.mongodb import MongodbServer
from tests.services.proxy import proxy
from tests.virtualization.connectors.conformance import read
from virtualization.catalog import Column, DataSource, VirtualTable
from virtualization.connectors.mongodb import MongodbConnector
from virtualization.connectors.mongodb.client import Client
from virtualization.errors import (
    CancelledError,
    DataError,
    DefinitionError,
    RemoteObjectError,
    SourceCredentialError,
    SourceTimeoutError,
    SourceUnreachableError,
    VirtualizationError,
)
from virtualization.plan import Accepted, Declined, FragmentRequest, QueryContext

pytestmark = pytest.mark.service
UUID = "00112233-4455-6677-8899-aabbccddeeff"

VALUES: list[tuple[str, Any, Any]] = [
    ("bigint", 5, 5), ("bigint", 5.0, 5), ("bigint", Decimal128("5"), 5), ("bigint", Int64(-(2**63)), -(2**63)), ("bigint", 5.5, "!"),
    ("bigint", math.nan, "!"), ("bigint", math.inf, "!"), ("bigint", 2.0**63, "!"), ("bigint", "5", "!"), ("bigint", True, "!"),
    ("bigint", [5], "!"), ("bigint", {}, "!"), ("bigint", None, None), ("bigint", MinKey(), "!"), ("bigint", MaxKey(), "!"),
    ("smallint", 32767, 32767), ("smallint", 32768, "!"), ("integer", -(2**31), -(2**31)), ("integer", Int64(2**31), "!"),
    ("numeric(6,2)", Decimal128("1.50"), Decimal("1.50")), ("numeric(6,2)", Decimal128("1.5"), Decimal("1.50")),
    ("numeric(6,2)", Decimal128("1E+3"), Decimal("1000.00")), ("numeric(6,2)", Decimal128("1.505"), "!"),
    ("numeric(6,2)", 9999, Decimal(9999)),
    ("numeric(6,2)", 10000, "!"), ("numeric(6,2)", Decimal128("NaN"), "!"), ("numeric(6,2)", 7.0, Decimal(7)), ("numeric(6,2)", 0.5, "!"),
    ("numeric(6,2)", -0.0, Decimal(0)), ("numeric", Decimal128("1E+3"), "1000"), ("numeric", Decimal128("-0"), "0"), ("numeric", 3, "3"),
    ("numeric", Decimal128("1.50"), "1.50"), ("numeric", Decimal128("Infinity"), "Infinity"), ("numeric", 0.1, "!"),
    ("double precision", 0.1, 0.1), ("double precision", 3, 3.0), ("double precision", Decimal128("1.5"), 1.5),
    ("double precision", math.inf, math.inf), ("double precision", "1", "!"),
    ("boolean", True, True), ("boolean", 1, "!"), ("text", "a", "a"), ("text", "", ""), ("text", 5, "!"),
    ("text", ObjectId("0123456789abcdef01234567"), "0123456789abcdef01234567"), ("text", Regex("a"), "!"),
    ("character varying(2)", "日本", "日本"), ("character varying(2)", "abc", "!"),
    ("timestamp without time zone", datetime.datetime(2024, 2, 29, 1, 2, 3, 4000), datetime.datetime(2024, 2, 29, 1, 2, 3, 4000)),
    ("timestamp without time zone", "2024-02-29", "!"), ("date", datetime.datetime(1, 1, 1), datetime.date(1, 1, 1)),
    ("date", datetime.datetime(2024, 2, 29, 1), "!"), ("bytea", b"\0x", b"\0x"), ("bytea", "x", "!"),
    ("jsonb", {"a": [1, "ü", None]}, '{"a": [1, "ü", null]}'), ("jsonb", [1.5], "[1.5]"), ("json", "x", '"x"'),
    ("uuid", Binary(bytes.fromhex(UUID.replace("-", "")), 4), UUID),
]  # fmt: skip
"""(declared type, value, what it is; "!": it does not fit)."""


@pytest.fixture(scope="module")
def connector(mongodb: MongodbServer) -> Iterator[MongodbConnector]:
    made = MongodbConnector(mongodb.source())
    yield made
    made.close()


def virtual(location: str, *columns: Column, **options: str) -> VirtualTable:
    return VirtualTable("public", "t", "src", location, columns, options)


def rows(connector: MongodbConnector, table: VirtualTable) -> list[dict[str, Any]]:
    return read(connector.scan(table, [column.name for column in table.columns], []).fragment).to_pylist()


def pushed(connector: MongodbConnector, sql: str, table: VirtualTable) -> Accepted | Declined:
    source = DataSource("src", "mongodb", "")
    return connector.push(FragmentRequest(parse_one(sql, dialect="postgres"), {"t": table}, source))  # type: ignore[arg-type]


def test_values_by_declared_type(mongodb: MongodbServer, connector: MongodbConnector, caplog: pytest.LogCaptureFixture) -> None:
    mongodb.client[mongodb.database]["values"].insert_one({"_id": 0} | {f"f{n}": value for n, (_, value, _) in enumerate(VALUES)})
    table = virtual("values", *(Column(f"f{n}", declared) for n, (declared, _, _) in enumerate(VALUES)), mismatch="null")
    (row,) = rows(connector, table)
    wrong = [(*case, found) for case, found in zip(VALUES, row.values(), strict=True) if found != (None if case[2] == "!" else case[2])]
    assert wrong == []
    misfits = [n for n, (_, _, expected) in enumerate(VALUES) if expected == "!"]
    logged = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(logged) == len(misfits)
    strict = virtual("values", *table.columns)
    for number in misfits[:3]:
        with pytest.raises(DataError, match=rf'"f{number}" is .*_id 0 .*type') as caught:
            read(connector.scan(strict, [f"f{number}"], []).fragment)
        assert "mismatch" in str(caught.value.hint)


def test_mixed_values_as_text(mongodb: MongodbServer, connector: MongodbConnector) -> None:
    values = ["a", 5, 1.5, True, None, [None, "x"], {"k": 1}, datetime.datetime(2024, 2, 29), Decimal128("1.50"), ObjectId("0" * 24)]
    mongodb.client[mongodb.database].mixed.insert_many([{"_id": n, "x": value} for n, value in enumerate(values)])
    detected = connector.detect("mixed", {})
    assert detected.options == {"mismatch": "text", "mixed": "x"}
    table = virtual("mixed", *detected.columns, **detected.options)
    beside = virtual("mixed", Column("x", "text"), Column("id", "text", True, "y"), **detected.options)
    assert [connector.scan(beside, ["x"], [parse_one(f"{name} = 'a'")]).left == () for name in ("x", "id")] == [False, True]  # type: ignore[list-item]
    shown = ["a", "5", "1.5", "true", None, '[null, "x"]', '{"k": 1}', "2024-02-29 00:00:00", "1.50", "0" * 24]
    assert {row["_id"]: row["x"] for row in rows(connector, table)} == dict(enumerate(shown))
    scanned = connector.scan(table, ["_id"], [parse_one("x = '5'"), parse_one("x IS NULL")])  # type: ignore[list-item]
    assert [kept.code for kept in scanned.kept] == ["mixed_types"]
    assert sorted(read(scanned.fragment)["_id"].to_pylist()) == [4]
    present = connector.scan(table, ["_id"], [parse_one("x IS NOT NULL")]).fragment  # type: ignore[list-item]
    assert len(read(present)) == len(values) - 1
    answer = pushed(connector, "SELECT t.x AS x, COUNT(*) AS n FROM public.t AS t GROUP BY t.x", table)
    assert isinstance(answer, Declined) and answer.kept[0].code == "mixed_types"


def test_nested_objects_and_strange_names(mongodb: MongodbServer, connector: MongodbConnector) -> None:
    deep: dict[str, Any] = {"end": 1}
    for _ in range(60):
        deep = {"d": deep}
    document = {
        "_id": 1,
        "addr": {"city": "Rome", "geo": {"lat": 1.5}},
        "a.b": {"$c": 7},
        "addr_city": "other",
        "x" * 80: 1,
        "deep": deep,
    }
    mongodb.client[mongodb.database].nested.insert_one(document)
    detected = connector.detect("nested", {})
    by_name = {column.name: column for column in detected.columns}
    assert by_name["addr_city"].remote == "addr.city" and by_name["addr_city_1"].remote == "addr_city"
    assert by_name["addr_geo_lat"].type == "double precision"
    assert by_name["a.b_$c"].remote == r"a\.b.\$c"
    assert all(len(name.encode()) <= 63 for name in by_name)
    assert by_name["_".join(["deep"] + ["d"] * 19)].type == "jsonb"
    (row,) = rows(connector, virtual("nested", *detected.columns, **detected.options))
    assert (row["addr_city"], row["addr_city_1"], row["a.b_$c"], row["x" * 60]) == ("Rome", "other", 7, 1)
    mongodb.client[mongodb.database].nameless.insert_one({"_id": 1, "a": {"": 2}})
    detected = connector.detect("nameless", {})
    assert [column.name for column in detected.columns] == ["_id"] and detected.unmapped[0][:2] == ("a.", "int")


def test_arrays_are_tables(mongodb: MongodbServer, connector: MongodbConnector) -> None:
    mongodb.client[mongodb.database].carts.insert_many([
        {"_id": "c1", "items": [{"sku": "a", "n": 1, "lots": [7, 8]}, {"sku": "b", "n": 2, "lots": []}], "tags": ["x", "y"]},
        {"_id": "c2", "items": [], "tags": ["x"]}, {"_id": "c3"}, {"_id": "c4", "items": None, "tags": [None]},
    ])  # fmt: skip
    found = {one.name: one.location for one in connector.objects() if one.location.startswith("carts")}
    assert found == {"carts": "carts", "carts_items": "carts[items]", "carts_tags": "carts[tags]"}
    items = virtual("carts[items]", *connector.detect("carts[items]", {}).columns)
    assert [(c.name, c.type) for c in items.columns] == [
        ("_id", "text"),
        ("items_sku", "text"),
        ("items_n", "bigint"),
        ("items_index", "bigint"),
    ]
    assert [tuple(row.values()) for row in rows(connector, items)] == [("c1", "a", 1, 0), ("c1", "b", 2, 1)]
    tags = virtual("carts[tags]", *connector.detect("carts[tags]", {}).columns)
    assert sorted((r["_id"], r["tags_index"], str(r["tags"])) for r in rows(connector, tags)) == [
        ("c1", 0, "x"), ("c1", 1, "y"), ("c2", 0, "x"), ("c4", 0, "None"),
    ]  # fmt: skip
    scanned = connector.scan(tags, ["_id"], [parse_one("tags = 'x'")])  # type: ignore[list-item]
    assert scanned.left == () and sorted(read(scanned.fragment)["_id"].to_pylist()) == ["c1", "c2"]
    lots = virtual("carts[items][items.lots]", Column("lot", "bigint", True, "items.lots"), Column("n", "bigint", True, "items.lots#"))
    assert [tuple(row.values()) for row in rows(connector, lots)] == [(7, 0), (8, 1)]
    answer = pushed(connector, "SELECT t.items_sku AS s, SUM(t.items_n) AS n FROM public.t AS t GROUP BY t.items_sku", items)
    assert isinstance(answer, Accepted)
    assert sorted(tuple(row.values()) for row in read(answer.fragment).to_pylist()) == [("a", "1"), ("b", "2")]


def test_what_arrives_at_the_server(mongodb: MongodbServer, connector: MongodbConnector) -> None:
    database = mongodb.client[mongodb.database]
    database.sales.insert_many([{"_id": n, "region": "ab"[n % 2], "amount": n, "note": "x" * 100} for n in range(50)])
    table = virtual("sales", Column("id", "bigint", True, "_id"), Column("region", "text"), Column("amount", "integer"))
    answer = pushed(connector, "SELECT t.region AS r, SUM(t.amount) AS s FROM public.t AS t WHERE t.amount > 10 GROUP BY t.region", table)
    assert isinstance(answer, Accepted)
    context = QueryContext(trace="trace-17")
    database.command("profile", 2)
    try:
        assert sorted(read(answer.fragment, context)["s"].to_pylist()) == [570, 600]
    finally:
        database.command("profile", 0)
    (seen,) = [one for one in database["system.profile"].find() if one.get("command", {}).get("aggregate") == "sales"]
    stages = seen["command"]["pipeline"]
    assert seen["command"]["comment"] == "bdc trace-17"
    assert stages[0] == {"$match": {"amount": {"$gt": 10}}}  # an index can serve it
    assert [next(iter(stage)) for stage in stages] == ["$match", "$project", "$match", "$group", "$project", "$set", "$project"]
    assert "note" not in str(stages)


def test_collations_of_collections(mongodb: MongodbServer, connector: MongodbConnector) -> None:
    database = mongodb.client[mongodb.database]
    database.create_collection("folded", collation={"locale": "en", "strength": 2})
    database.folded.insert_many([{"_id": 1, "s": "a"}, {"_id": 2, "s": "A"}])
    table = virtual("folded", Column("id", "bigint", True, "_id"), Column("s", "text"))
    scanned = connector.scan(table, ["id"], [parse_one("s = 'a'")])  # type: ignore[list-item]
    assert read(scanned.fragment)["id"].to_pylist() == [1]


class Listener(CommandListener):
    def __init__(self) -> None:
        self.names: list[str] = []
        self.killed = threading.Event()

    def started(self, event: CommandStartedEvent) -> None:
        self.names.append(event.command_name)
        if event.command_name == "killSessions":
            self.killed.set()

    def succeeded(self, event: object) -> None: ...
    def failed(self, event: object) -> None: ...


def test_cancel_reaches_the_server(mongodb: MongodbServer) -> None:
    mongodb.client[mongodb.database].many.insert_many([{"_id": n} for n in range(500)])
    listener = Listener()
    connector = MongodbConnector(mongodb.source(fetch_documents="50"))
    told = connector._client.settings
    connector._client = Client(dataclasses.replace(told, driver={**told.driver, "event_listeners": [listener]}))
    try:
        fragment = connector.scan(virtual("many", Column("id", "bigint", True, "_id")), ["id"], []).fragment
        context = QueryContext()
        batches = fragment.open(context)
        iterator = iter(batches)
        assert next(iterator).num_rows
        context.cancel()
        assert listener.killed.wait(30)
        with pytest.raises(CancelledError):
            list(iterator)
        left = fragment.open(QueryContext())
        next(iter(left))
        left.close()
        assert "killCursors" in listener.names
        with pytest.raises(CancelledError):
            fragment.open(context)
    finally:
        connector.close()


def test_time_limit(mongodb: MongodbServer) -> None:
    database = mongodb.client[mongodb.database]
    database.slow_arrays.insert_many([{"_id": n, "a": list(range(100))} for n in range(300)])
    connector = MongodbConnector(mongodb.source(statement_timeout="0.001"))
    table = virtual("slow_arrays[a]", Column("a", "bigint"))
    try:
        with pytest.raises(SourceTimeoutError, match="time limit"):
            rows(connector, table)
    finally:
        connector.close()


@pytest.mark.full
def test_the_connection_breaks_in_the_middle(mongodb: MongodbServer) -> None:
    if mongodb.is_real:
        return  # its port may be on another machine
    mongodb.client[mongodb.database].broken.insert_many([{"_id": n} for n in range(500)])
    target = int(mongodb.uri.rsplit(":", 1)[1].split("/")[0])
    with proxy(target) as between:
        location = f"mongodb://127.0.0.1:{between.port}/{mongodb.database}?directConnection=true"
        connector = MongodbConnector(DataSource("src", "mongodb", location, {"fetch_documents": "50", "connect_timeout": "10"}))
        try:
            iterator = iter(
                connector.scan(virtual("broken", Column("id", "bigint", True, "_id")), ["id"], []).fragment.open(QueryContext())
            )
            next(iterator)
            between.close()
            with pytest.raises(SourceUnreachableError, match='"src"'):
                list(iterator)
        finally:
            connector.close()


def test_logins(mongodb: MongodbServer) -> None:
    mongodb.client.admin.command(
        "createUser", f"u_{mongodb.database}", pwd="planted-secret", roles=[{"role": "read", "db": mongodb.database}]
    )
    source = mongodb.source()
    location = source.location.partition("?")[0] + "?authSource=admin"
    for password, fits in (("planted-secret", True), ("wrong", False)):
        login = dataclasses.replace(source.credential, user=f"u_{mongodb.database}", secret=password)
        connector = MongodbConnector(DataSource("src", "mongodb", location, {"connect_timeout": "60"}, login))
        try:
            if fits:
                assert connector.test().version
            else:
                with pytest.raises(SourceCredentialError, match="login") as caught:
                    connector.test()
                assert "wrong" not in str(caught.value)
        finally:
            connector.close()
    mongodb.client.admin.command("dropUser", f"u_{mongodb.database}")


def test_texts_that_are_none(mongodb: MongodbServer, connector: MongodbConnector) -> None:
    database = mongodb.client[mongodb.database]
    database.nul.insert_one({"_id": 1, "s": "a\0b"})
    with pytest.raises(DataError, match=r"U\+0000"):
        rows(connector, virtual("nul", Column("s", "text")))


def test_invalid_utf8_is_an_error() -> None:
    from virtualization.connectors.mongodb.rows import decoded

    data = encode({"s": "ab"}).replace(b"ab", b"\xff\xfe")
    assert RawBSONDocument(data).raw == data
    with pytest.raises(DataError, match="can't be read"):
        decoded(data, "here")


def test_many_columns(mongodb: MongodbServer, connector: MongodbConnector) -> None:
    mongodb.client[mongodb.database].wide.insert_one({"_id": 1} | {f"c{n}": n for n in range(2000)})
    detected = connector.detect("wide", {})
    assert len(detected.columns) == 1000
    table = virtual("wide", *detected.columns[:300])
    assert rows(connector, table)[0]["c100"] == 100


@pytest.mark.parametrize(
    ("location", "options"),
    [
        ("mongodb://host:27017", {}), ("mongodb://u:planted-secret@host/db", {}), ("postgresql://host/db", {}), ("mongodb:///db", {}),
        ("mongodb://host:x/db", {}), ("mongodb://host/db?tlsCAFile=/etc/passwd", {}), ("mongodb://host/db?tls=perhaps", {}),
        ("mongodb://host/a/b", {}), ("mongodb://host/db", {"nope": "1"}), ("mongodb://host/db", {"sample": "0"}),
        ("mongodb://host/db", {"tls_ca": "/etc/ssl/certs/ca.pem"}), ("mongodb://host/db", {"pushdown": "perhaps"}),
    ],
)  # fmt: skip
def test_bad_definitions(location: str, options: dict[str, str]) -> None:
    with pytest.raises(DefinitionError) as caught:
        MongodbConnector(DataSource("src", "mongodb", location, options))
    assert "planted-secret" not in caught.value.message + str(caught.value.hint)


@pytest.mark.parametrize(
    "table",
    [
        virtual("x", Column("a", "interval")), virtual("x", Column("a", "bigint[]")), virtual("x", Column("a", "real")),
        virtual("x", Column("a", "text", True, "a..b")), virtual("x", Column("a", "bigint", True, "b#")),
        virtual(r"x[a\.b]", Column("a", "text")), virtual("x", Column("a", "text"), mismatch="ignore"),
        virtual("x", Column("a", "text"), delimiter=","), virtual("system.users", Column("a", "text")),
    ],
)  # fmt: skip
def test_bad_tables(connector: MongodbConnector, table: VirtualTable) -> None:
    with pytest.raises(DefinitionError):
        connector.scan(table, ["a"], [])


def test_nothing_to_detect(mongodb: MongodbServer, connector: MongodbConnector) -> None:
    mongodb.client[mongodb.database].create_collection("nothing")
    for location in ("nothing", "gone"):
        with pytest.raises(RemoteObjectError, match=location):
            connector.detect(location, {})
    with pytest.raises(VirtualizationError, match="shows database"):
        connector.objects("other")
