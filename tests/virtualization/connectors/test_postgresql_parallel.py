"""A big table over several connections: all its rows, of one moment, and never more connections than allowed."""

from __future__ import annotations

import dataclasses
import random
import re
import secrets
import time
from collections.abc import Callable, Iterator

import pyarrow as pa
import pytest

from tests.patience import PATIENCE
from tests.services.postgresql import PostgresqlServer
from tests.virtualization.connectors.conformance import read, table
from virtualization import templates
from virtualization.catalog import Column, Credential, DataSource, MemoryCatalog
from virtualization.connectors.postgresql import PostgresqlConnector, parallel
from virtualization.engine import Engine
from virtualization.errors import CancelledError, DataError, SourceError
from virtualization.parse import parse
from virtualization.pieces import Pieces
from virtualization.plan import Accepted, Fragment, FragmentRequest, QueryContext, TakesKeys

pytestmark = pytest.mark.service
DATABASE = "parallel_tests"
ROWS = 60_000
BIG = table("public.big", [Column("id", "bigint"), Column("pad", "text")], "big")


@pytest.fixture(scope="module")
def remote(postgresql: PostgresqlServer) -> Iterator[PostgresqlServer]:
    with postgresql.database(DATABASE) as made:
        made.execute(f"CREATE TABLE big AS SELECT g::bigint AS id, repeat('x', 80) AS pad FROM generate_series(1, {ROWS}) g")
        made.execute("CREATE INDEX ON big (id)")
        made.execute("CREATE TABLE moving AS SELECT * FROM big")
        made.execute("CREATE TABLE fortieth AS SELECT id, pad FROM big WHERE id % 40 = 0")
        made.execute("CREATE TABLE small AS SELECT id, pad FROM big WHERE id % 100 = 0")
        made.execute(
            "CREATE TABLE loose AS SELECT g::bigint AS id, nullif(g % 7, 3)::bigint AS k, repeat('y', 60) AS pad"
            " FROM generate_series(1, 9000) g"
        )
        made.execute("CREATE TABLE few AS SELECT nullif(g % 5, 2)::bigint AS k, g::text AS t FROM generate_series(1, 12) g")
        made.execute("VACUUM ANALYZE")
        yield postgresql


@pytest.fixture(autouse=True)
def small_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "FEWEST_PAGES", 50)


def connected(server: PostgresqlServer, **options: str) -> PostgresqlConnector:
    login = Credential("postgres", server.password)
    given = {"scan_pages": "500", "scan_connections": "4", "fetch_bytes": "8192", **options}
    return PostgresqlConnector(DataSource("src", "postgresql", f"postgresql://127.0.0.1:{server.port}/{DATABASE}", given, login))


@pytest.fixture
def connector(remote: PostgresqlServer) -> Iterator[PostgresqlConnector]:
    made = connected(remote)
    yield made
    made.close()


def pushed(connector: PostgresqlConnector, sql: str, name: str = "big") -> Fragment:
    of = table(f"public.{name}", [Column("id", "bigint"), Column("pad", "text")], name)
    answer = connector.push(FragmentRequest(parse(sql), {"t": of}, DataSource("src", "postgresql", "")))
    assert isinstance(answer, Accepted), answer
    return answer.fragment


def ranges(server: PostgresqlServer, trace: str) -> list[str]:
    """Processes of the source that read ranges, one per range."""
    return [line.split(" ")[0] for line in server.log.splitlines() if f"[bdc {trace}] LOG:" in line and "WHERE ctid >=" in line]


def until(done: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < end
        time.sleep(0.05)


def ids(rows: object) -> list[int]:
    return sorted(rows["id"].to_pylist())  # type: ignore[index]


def test_all_rows_over_several_connections(connector: PostgresqlConnector, remote: PostgresqlServer) -> None:
    iterator = iter(connector.scan(BIG, ["id", "pad"], []).fragment.open(QueryContext(trace="parallel-all")))
    found = [next(iterator), next(iterator)]
    until(lambda: len(re.findall(r"\[bdc parallel-all\] LOG:.*SET TRANSACTION SNAPSHOT", remote.log)) == 3)
    found += iterator
    assert sorted(value for batch in found for value in batch.column(0).to_pylist()) == list(range(1, ROWS + 1))
    told = ranges(remote, "parallel-all")
    assert len(told) == 16 and 1 < len(set(told)) <= 4


def test_the_rows_are_those_of_one_moment(connector: PostgresqlConnector, remote: PostgresqlServer) -> None:
    batches = pushed(connector, "SELECT t.id AS id, t.pad AS pad FROM public.t AS t", "moving").open(QueryContext(trace="torn"))
    with remote.connect(DATABASE) as writer:
        iterator = iter(batches)
        first = next(iterator)
        writer.execute("UPDATE moving SET id = -id")
        writer.execute("INSERT INTO moving SELECT 0, 'new' FROM generate_series(1, 5000)")
        seen = [first, *iterator]
    found = sorted(value for batch in seen for value in batch.column(0).to_pylist())
    assert found == list(range(1, ROWS + 1))


def test_few_rows_cost_one_connection(connector: PostgresqlConnector, remote: PostgresqlServer) -> None:
    batches = connector.scan(BIG, ["id"], []).fragment.open(QueryContext(trace="parallel-few"))
    next(iter(batches))
    batches.close()
    batches.close()
    assert len(ranges(remote, "parallel-few")) == 1


@pytest.mark.parametrize("most", [1, 2])
def test_the_cap_holds_and_nobody_waits_for_it(remote: PostgresqlServer, most: int) -> None:
    connector = connected(remote, max_connections=str(most), pool_timeout="0.5")
    assert ids(read(connector.scan(BIG, ["id"], []).fragment, QueryContext(trace=f"cap-{most}"))) == list(range(1, ROWS + 1))
    assert len(set(ranges(remote, f"cap-{most}"))) <= most
    assert ids(read(connector.scan(BIG, ["id"], []).fragment)) == list(range(1, ROWS + 1))
    connector.close()


def test_a_condition_with_an_index_goes_as_one_statement(connector: PostgresqlConnector, remote: PostgresqlServer) -> None:
    rows = read(pushed(connector, "SELECT t.id AS id FROM public.t AS t WHERE t.id < 10"), QueryContext(trace="parallel-index"))
    assert ids(rows) == list(range(1, 10)) and not ranges(remote, "parallel-index")


def test_a_condition_without_one_goes_in_ranges(connector: PostgresqlConnector, remote: PostgresqlServer) -> None:
    sql = 'SELECT t.id + 1 AS id FROM public.t AS t WHERE t.id % 2 = 0 AND t.pad <> \') FROM "public"."big")\''
    assert ids(read(pushed(connector, sql), QueryContext(trace="parallel-odd"))) == list(range(3, ROWS + 2, 2))
    assert len(ranges(remote, "parallel-odd")) > 4


@pytest.mark.parametrize(("column", "count", "in_ranges"), [("id", 30, False), ("pad", 3, True)])
def test_keys_of_others_go_along_in_ranges_where_the_table_is_read_anyway(
    connector: PostgresqlConnector, remote: PostgresqlServer, column: str, count: int, in_ranges: bool
) -> None:
    fragment = connector.scan(BIG, ["id", "pad"], []).fragment
    assert isinstance(fragment, TakesKeys)
    keys = pa.array(range(2, 2 * count + 1, 2)) if column == "id" else pa.array(["x" * 80, "y", "z"])
    trace = f"parallel-keys-{column}-{count}"
    expected = keys.to_pylist() if column == "id" else list(range(1, ROWS + 1))
    assert ids(read(fragment.with_keys(column, keys), QueryContext(trace=trace))) == expected
    assert (len(ranges(remote, trace)) > 4) == in_ranges


def test_where_the_source_would_start_workers(remote: PostgresqlServer) -> None:
    with remote.connect(DATABASE) as admin:
        admin.execute(f"ALTER DATABASE {DATABASE} SET min_parallel_table_scan_size = 0")
        admin.execute(f"ALTER DATABASE {DATABASE} SET parallel_setup_cost = 0")
    own = connected(remote)
    fragment = pushed(own, "SELECT t.id AS id FROM public.t AS t WHERE t.id % 1000 = 0")
    assert ids(read(fragment, QueryContext(trace="parallel-workers"))) == list(range(1000, ROWS + 1, 1000))
    assert len(ranges(remote, "parallel-workers")) > 4
    own.close()
    with remote.connect(DATABASE) as admin:
        admin.execute(f"ALTER DATABASE {DATABASE} RESET ALL")


SMALL = table("public.small", [Column("id", "bigint"), Column("pad", "text")], "small")


def joined(connector: PostgresqlConnector, sql: str) -> Fragment:
    rows = {"t": dataclasses.replace(BIG, rows=ROWS), "s": SMALL}
    answer = connector.push(FragmentRequest(parse(sql), rows, DataSource("src", "postgresql", "")))
    assert isinstance(answer, Accepted), answer
    return answer.fragment


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT t.id AS id FROM public.t AS t CROSS JOIN public.s AS s WHERE t.id + 0 = s.id",
        "SELECT t.id AS id FROM public.s AS s JOIN public.t AS t ON t.id + 0 = s.id AND t.pad >= s.pad",
    ],
)
def test_a_join_with_a_small_table_goes_in_a_range_per_connection(
    connector: PostgresqlConnector, remote: PostgresqlServer, sql: str
) -> None:
    trace = f"parallel-join-{len(sql)}"
    assert ids(read(joined(connector, sql), QueryContext(trace=trace))) == list(range(100, ROWS + 1, 100))
    assert len(ranges(remote, trace)) == 4
    assert all('"big" WHERE ctid' in line for line in remote.log.splitlines() if f"[bdc {trace}]" in line and "WHERE ctid" in line)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT t.id AS id FROM public.s AS s JOIN public.t AS t ON t.id = s.id",  # an index of the big one
        "SELECT s.id AS id FROM public.s AS s LEFT JOIN public.t AS t ON t.id + 0 = s.id",
        "SELECT t.id AS id FROM public.t AS t JOIN public.s AS s ON t.id + 0 = s.id GROUP BY t.id",
        "SELECT DISTINCT t.id AS id FROM public.t AS t JOIN public.s AS s ON t.id + 0 = s.id",
        "SELECT t.id AS id FROM public.t AS t JOIN public.s AS s ON t.id + 0 = s.id ORDER BY t.id LIMIT 1000",
        "SELECT t.id AS id FROM public.t AS t WHERE t.id + 0 IN (SELECT s.id FROM public.s AS s)",
    ],
)
def test_other_joins_go_as_one_statement(connector: PostgresqlConnector, remote: PostgresqlServer, sql: str) -> None:
    trace = f"parallel-one-{abs(hash(sql))}"
    assert ids(read(joined(connector, sql), QueryContext(trace=trace))) == list(range(100, ROWS + 1, 100))
    assert not ranges(remote, trace)


LOOSE = table("public.loose", [Column("id", "bigint"), Column("k", "bigint")], "loose")
FEW = table("public.few", [Column("k", "bigint"), Column("t", "text")], "few")
CONDITIONS = ("l.k = f.k", "l.k < f.k", "l.id % 5 = f.k", "coalesce(l.k, 0) = coalesce(f.k, 1)", "f.t > '3'", "l.k IS NULL", "l.id > 4000")


def test_a_join_with_a_wide_hash_table_goes_as_one_statement(connector: PostgresqlConnector, remote: PostgresqlServer) -> None:
    """In ranges each connection would make it; the source's own workers share one."""
    tables = {"t": BIG, "s": table("public.fortieth", BIG.columns, "fortieth")}
    for trace, column, split in (("hashed-narrow", "t.id", True), ("hashed-wide", "s.pad", False)):
        sql = f"SELECT t.id AS id, {column} AS more FROM public.t AS t JOIN public.s AS s ON t.id + 0 = s.id"
        answer = connector.push(FragmentRequest(parse(sql), tables, DataSource("src", "postgresql", "")))
        assert isinstance(answer, Accepted), answer
        assert len(ids(read(answer.fragment, QueryContext(trace=trace)))) == ROWS // 40
        assert bool(ranges(remote, trace)) == split


def test_conditions_on_the_large_table_come_first_whatever_constants_and_keys(
    connector: PostgresqlConnector, remote: PostgresqlServer
) -> None:
    """Another constant in the same plan, and keys that are added to it, must not meet the text of the first."""
    join = "public.t AS t JOIN public.s AS s ON t.id + 0 = s.id"
    fragment = joined(connector, f"SELECT t.id AS id FROM {join} WHERE t.id + 0 > 59000 AND s.pad > '' AND t.id < s.id + 1")
    assert ids(read(fragment, QueryContext(trace="fence-first"))) == list(range(59_100, ROWS + 1, 100))
    told = [line for line in remote.log.splitlines() if "[bdc fence-first] LOG:" in line and "WHERE ctid >=" in line]
    behind = re.compile(r'WHERE ctid >= .* AS "t" WHERE "t"\."id" \+ 0 > 59000 OFFSET 0\)')
    assert told and all(behind.search(line) for line in told), told
    assert re.search(r"\[bdc fence-first\] LOG: .* SET LOCAL work_mem = '8MB'", remote.log)
    assert isinstance(fragment, TakesKeys)
    few = fragment.with_keys("id", pa.array([59_100, 59_500, 7]))
    assert ids(read(few, QueryContext(trace="fence-keys"))) == [59_100, 59_500]
    assert isinstance(fragment, templates.StatementFragment) and fragment.statement_text is not None
    before, after = fragment.statement_text.split("59000")
    other = fragment.with_text(Pieces((before, after), (59_700,)))
    assert ids(read(other, QueryContext(trace="fence-other"))) == [59_800, 59_900, 60_000]


def test_the_source_is_asked_for_its_plan_once_a_minute(connector: PostgresqlConnector, remote: PostgresqlServer) -> None:
    sql = "SELECT t.id AS id FROM public.t AS t WHERE t.id + 0 > 59000 + 7"
    for trace in ("plan-once-1", "plan-once-2"):
        assert len(ids(read(pushed(connector, sql), QueryContext(trace=trace)))) == 993
        assert ranges(remote, trace)
    told = [line for line in remote.log.splitlines() if "plan-once-" in line and "EXPLAIN" in line]
    assert len(told) == 1 and "[bdc plan-once-1]" in told[0]  # as who asks the query


def test_a_setting_for_a_plan_is_gone_with_it(connector: PostgresqlConnector) -> None:
    client, small = connector._client, "SET LOCAL work_mem = '64kB'"
    before = client.rows("SELECT current_setting('work_mem') AS told", "settings")
    assert "Node Type" in client.plan_of("SELECT 1", "a plan", setting=small)
    with pytest.raises(SourceError):
        client.plan_of("SELECT nothing FROM nowhere", "a plan", setting=small)
    assert client.rows("SELECT current_setting('work_mem') AS told", "settings") == before


def test_random_joins_have_the_same_rows_in_ranges(remote: PostgresqlServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "BESIDE", 1e9)
    monkeypatch.setattr(parallel, "FEWEST_PAGES", 10)
    seed = secrets.randbelow(10**6)
    print(f"seed {seed}")
    pick, own = random.Random(seed), connected(remote, scan_pages="50", fetch_bytes="1000000")
    tables = {"l": dataclasses.replace(LOOSE, rows=9000), "f": dataclasses.replace(FEW, rows=12)}
    split = 0
    for number in range(12):
        first, second = pick.sample(["public.{l} AS l", "public.{f} AS f"], 2)
        on, *where = pick.sample(CONDITIONS, pick.randint(1, 3))
        sql = f"SELECT l.id AS id, f.t AS t FROM {first} JOIN {second} ON {on}" + (f" WHERE {' AND '.join(where)}" if where else "")
        answer = own.push(FragmentRequest(parse(sql.format(l="l", f="f")), tables, DataSource("src", "postgresql", "")))
        assert isinstance(answer, Accepted), answer
        found = read(answer.fragment, QueryContext(trace=f"random-{number}"))
        with remote.connect(DATABASE) as plain:
            expected = plain.execute(sql.format(l="loose", f="few").encode()).fetchall()
        assert sorted(zip(found["id"].to_pylist(), found["t"].to_pylist(), strict=True)) == sorted(expected), sql
        split += len(ranges(remote, f"random-{number}")) > 1
    assert split
    own.close()


def test_a_big_table_twice_goes_as_one_statement(connector: PostgresqlConnector, remote: PostgresqlServer) -> None:
    sql = "SELECT t.id AS id FROM public.t AS t JOIN public.s AS s ON t.id + 0 = s.id + 1"
    answer = connector.push(FragmentRequest(parse(sql), {"t": BIG, "s": BIG}, DataSource("src", "postgresql", "")))
    assert isinstance(answer, Accepted), answer
    assert ids(read(answer.fragment, QueryContext(trace="parallel-twice"))) == list(range(2, ROWS + 1))
    assert not ranges(remote, "parallel-twice")


def test_an_error_in_any_range_reaches_the_reader(connector: PostgresqlConnector, remote: PostgresqlServer) -> None:
    with pytest.raises(DataError, match="division by zero"):
        read(pushed(connector, f"SELECT 1 / (t.id - {ROWS - 5}) AS id FROM public.t AS t"))
    assert ids(read(connector.scan(BIG, ["id"], []).fragment)) == list(range(1, ROWS + 1))


def test_a_cancel_stops_all(connector: PostgresqlConnector, remote: PostgresqlServer) -> None:
    context = QueryContext(trace="parallel-cancel")
    iterator = iter(connector.scan(BIG, ["id", "pad"], []).fragment.open(context))
    next(iterator)
    next(iterator)
    context.cancel()
    with pytest.raises(CancelledError):
        for _ in iterator:
            pass

    def idle() -> bool:
        with remote.connect(DATABASE) as admin:
            asked = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'bdc parallel-cancel'"
            return admin.execute(asked).fetchone() == (0,)

    until(idle)


@pytest.mark.parametrize(("most", "said"), [("10", "up to 4 connections"), ("2", "up to 2 connections")])
def test_explain_says_so(remote: PostgresqlServer, most: str, said: str) -> None:
    made = connected(remote, max_connections=most)
    source = DataSource("src", "postgresql", "")
    engine, catalog = Engine([], {"postgresql": lambda _: made}), MemoryCatalog.of([source], [BIG])
    explained = engine.explain("SELECT id FROM big", catalog)
    assert f"  read in ranges of ctid over {said}, in one snapshot\n" in explained.text()
    assert said in str(explained.json()["fragments"])
    assert "unless the source knows a shorter way" in engine.explain("SELECT id FROM big WHERE id < 9", catalog).text()
    joined = engine.explain("SELECT a.id FROM big a JOIN big b ON a.id = b.id", catalog)
    assert "ranges" not in joined.text() and "'ranges': None" in str(joined.json()["fragments"])
    engine.close()
