"""A MongoDB in trouble: see ``FaultConformance``."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

import pytest

from tests.patience import SOON
from tests.services.mongodb import MongodbServer
from tests.services.proxy import proxy
from tests.virtualization.connectors.conformance import FaultConformance, Trouble, failed, found, read, table
from virtualization.catalog import Column, Credential, DataSource
from virtualization.connectors.mongodb import MongodbConnector
from virtualization.errors import DataError, SourceCredentialError, SourceTimeoutError, SourceUnreachableError
from virtualization.plan import Connector, QueryContext

pytestmark = pytest.mark.service
ID = Column("id", "bigint", True, "_id")


class MongodbTrouble(Trouble):
    rows = table("rows", [ID, Column("n", "integer")])
    endless, slow = table("endless", [ID]), table("slow[a]", [Column("id", "bigint", True, "a")])

    def __init__(self, server: MongodbServer) -> None:
        self.server = server
        self.collections = server.client[server.database]
        self.port = int(server.uri.rsplit(":", 1)[1].split("/")[0])

    def behind(self, port: int, **options: str) -> Connector:
        location = f"mongodb://127.0.0.1:{port}/{self.server.database}?directConnection=true"
        given = {"fetch_documents": "20", "connect_timeout": "10", **options}
        return MongodbConnector(DataSource("src", "mongodb", location, given, self.server.source().credential))

    def stranger(self) -> Connector:
        location = f"mongodb://127.0.0.1:{self.port}/{self.server.database}?directConnection=true"
        login = Credential("nobody", "planted-secret")
        return MongodbConnector(DataSource("src", "mongodb", location, {"connect_timeout": "60"}, login))

    @contextmanager
    def retyped(self) -> Iterator[None]:
        self.collections.rows.update_many({}, {"$set": {"n": "abc"}})
        yield
        self.collections.rows.update_many({}, [{"$set": {"n": "$_id"}}])

    def running(self) -> Sequence[object]:
        """SecantusDB does not tell; ``test_cancel_reaches_the_server`` watches the driver's commands."""
        return []


@pytest.fixture(scope="module")
def trouble(mongodb: MongodbServer) -> MongodbTrouble:
    made = MongodbTrouble(mongodb)
    made.collections.rows.insert_many([{"_id": number, "n": number} for number in (1, 2, 3)])
    made.collections.endless.insert_many([{"_id": number} for number in range(1000)])
    made.collections.slow.insert_many([{"_id": number, "a": list(range(100))} for number in range(300)])
    return made


class TestFaults(FaultConformance):
    """Gaps: see the tests that are written anew."""

    @pytest.fixture(autouse=True)
    def _own(self, mongodb: MongodbServer) -> None:
        if mongodb.is_real:
            pytest.skip("its port may be on another machine")

    def test_slow(self, trouble: Trouble) -> None:
        """No collection is slow here: a limit that nothing keeps."""
        with trouble.connected(statement_timeout="0.001") as made:
            error = failed(lambda: found(made, trouble.slow), "slow")
            assert type(error) is SourceTimeoutError and "statement_timeout" in (error.hint or "")

    def test_down_in_the_middle(self, trouble: Trouble) -> None:
        """The cursor outlives its connection at the server, so the driver may go on: all rows come, or an error, never fewer."""
        with proxy(trouble.port) as between, closing(trouble.behind(between.port)) as made:
            batches = made.scan(trouble.endless, ["id"], []).fragment.open(QueryContext())
            iterator = iter(batches)
            count = next(iterator).num_rows
            between.cut()
            with contextlib.suppress(SourceUnreachableError):
                assert count + sum(batch.num_rows for batch in iterator) == 1000
            batches.close()
            batches = made.scan(trouble.endless, ["id"], []).fragment.open(QueryContext())
            iterator = iter(batches)
            assert next(iterator).num_rows
            between.close()
            assert type(failed(lambda: list(iterator), "endless")) is SourceUnreachableError
            batches.close()

    @pytest.mark.xfail(strict=True, reason="never, because the driver holds a connection for one exchange, not for a whole answer")
    def test_connection_cap(self, trouble: Trouble) -> None:
        super().test_connection_cap(trouble)

    def test_cancel_reaches_the_source(self, trouble: Trouble) -> None:
        """See ``test_connector.test_cancel_reaches_the_server``: the server does not tell what runs."""

    @pytest.mark.xfail(strict=True, raises=NotImplementedError, reason="not possible yet, because SecantusDB has no rights per collection")
    def test_right_revoked_on_one_table(self, trouble: Trouble) -> None:
        super().test_right_revoked_on_one_table(trouble)


def test_a_refused_login_is_told_at_once_each_time(trouble: MongodbTrouble) -> None:
    """The driver's way of watching servers made each try but the first wait for 10 s."""
    with closing(trouble.stranger()) as made:
        began = time.monotonic()
        for _ in range(4):
            assert type(failed(made.test)) is SourceCredentialError
        assert time.monotonic() - began < SOON


def test_hostile_documents(trouble: MongodbTrouble) -> None:
    """Names with $ and dots and control characters, deep nesting, a huge array: found, read, or refused by name; nothing else fails."""
    deep: dict[str, object] = {"x": 1}
    for _ in range(90):
        deep = {"d": deep}
    collection = trouble.collections.hostile
    collection.insert_one({"_id": 1, "$where": 1, "a.b": 2, "a": {"b": 3, "$c.d": 4}, "tab\tq\"'": 5, "__proto__": 6, "deep": deep})
    trouble.collections.array.insert_one({"_id": 2, "huge": list(range(20_000)), "ünï": "'; DROP TABLE x; --"})
    with trouble.connected() as made:
        detected = made.detect("hostile", {})
        whole = table("hostile", detected.columns, **detected.options)
        rows = read(made.scan(whole, [column.name for column in whole.columns], []).fragment).to_pylist()
        first = next(row for row in rows if row["_id"] == 1)
        by_remote = {column.remote: first[column.name] for column in whole.columns}
        assert [by_remote[name] for name in (r"\$where", r"a\.b", "a.b", r"a.\$c\.d", "__proto__")] == [1, 2, 3, 4, 6]
        huge = made.detect("array[huge]", {})
        counted = read(made.scan(table("array[huge]", huge.columns, **huge.options), ["huge_index"], []).fragment)
        assert counted.num_rows == 20_000


def test_two_thousand_fields(trouble: MongodbTrouble) -> None:
    trouble.collections.broad.insert_one({"_id": 1} | {f"c{number}": number for number in range(2000)})
    columns = [Column(f"c{number}", "bigint") for number in range(1600)]
    with trouble.connected() as made:
        detected = made.detect("broad", {})
        assert len(detected.columns) == 1000
        (told,) = detected.unmapped
        assert "of 2,001 paths the 1,000" in told[2], "what is beyond the limit is named"
        rows = read(made.scan(table("broad", columns), ["c1599", "c0"], []).fragment)
        assert rows.to_pylist() == [{"c1599": 1599, "c0": 0}]


def test_a_long_value(trouble: MongodbTrouble) -> None:
    """A document holds 16 MB at most."""
    trouble.collections.long.insert_one({"_id": 1, "s": "x" * 15_000_000})
    with trouble.connected() as made:
        assert len(read(made.scan(table("long", [Column("s", "text")]), ["s"], []).fragment)["s"][0].as_py()) == 15_000_000
        with pytest.raises(DataError, match="character varying"):
            read(made.scan(table("long", [Column("s", "character varying(10)")]), ["s"], []).fragment)
