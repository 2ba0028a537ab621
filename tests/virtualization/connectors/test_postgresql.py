"""The connector ``postgresql`` against a real server; pushdown is proved by what that server logged."""

# ruff: noqa: E501 - SQL texts are easier to read on one line
from __future__ import annotations

import dataclasses
import re
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import adbc_driver_postgresql.dbapi as adbc
import pytest
from sqlglot import parse_one

from tests.patience import PATIENCE, SOON
from tests.services.postgresql import PostgresqlServer, free_port
from tests.virtualization.connectors.conformance import BIG_ROWS, COLUMNS, ROWS, ConnectorConformance, read, table
from virtualization.catalog import Column, Credential, DataSource, VirtualTable
from virtualization.connectors.postgresql import PostgresqlConnector
from virtualization.errors import (
    CancelledError,
    DataError,
    DefinitionError,
    RemoteObjectError,
    SourceCredentialError,
    SourceTimeoutError,
    SourceUnreachableError,
)
from virtualization.plan import Accepted, Connector, Declined, FragmentRequest, QueryContext

pytestmark = pytest.mark.service
DATABASE = "connector_tests"
MADE = """
CREATE SCHEMA "Odd ""Schema";
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE DOMAIN cents AS numeric(10,2) CHECK (VALUE >= 0);
CREATE TABLE public.rows (id bigint PRIMARY KEY, n integer, amount numeric(12,2), ratio float8, flag boolean, name text, "Day Of" date, at timestamp);
CREATE TABLE public.empty (LIKE public.rows);
CREATE TABLE public.big AS SELECT g - 1 AS id, repeat('x', 100) AS pad FROM generate_series(1, 300000) g;
CREATE TABLE "Odd ""Schema"."Täble; DROP" ("Sel""ect" int, m mood, c cents, p point, h int4multirange);
INSERT INTO "Odd ""Schema"."Täble; DROP" VALUES (1, 'happy', 1.25, '(1,2)', '{}');
CREATE TABLE public.types (i bigint, num numeric, u uuid, j jsonb, iv interval, a int[], by bytea, ch char(3), d date, tz timestamptz, tm time, ip inet, f real);
INSERT INTO public.types VALUES
 (1, 'NaN', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{"a": 1}', '1 mon -2 days 00:00:03', '{1,NULL}', '\\x00ff', 'q', 'infinity', '2024-01-01 12:00+02', '24:00', '1.2.3.4', 0.1),
 (2, 1e40, NULL, NULL, NULL, NULL, NULL, NULL, '-infinity', 'infinity', NULL, NULL, 'NaN'),
 (3, 0.10000000000000000000001, NULL, '[]', '0', '{}', '', 'abc', '0044-03-15 BC', '-infinity', '00:00:00.000001', '::1', '-Infinity');
CREATE TABLE public.secretive (id int);
CREATE ROLE reader LOGIN PASSWORD 'planted-secret';
"""


@pytest.fixture(scope="module")
def remote(postgresql: PostgresqlServer) -> Iterator[PostgresqlServer]:
    with postgresql.connect() as admin:
        admin.execute(f"CREATE DATABASE {DATABASE}")
    with postgresql.connect(DATABASE) as made:
        made.execute(MADE)
        with made.cursor() as cursor:
            cursor.executemany("INSERT INTO public.rows VALUES (%s, %s, %s, %s, %s, %s, %s, %s)", ROWS)
        made.execute("ANALYZE")
    yield postgresql
    with postgresql.connect() as admin:
        admin.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")
        admin.execute("DROP ROLE reader")


def source(server: PostgresqlServer, **options: str) -> DataSource:
    return DataSource(
        "src", "postgresql", f"postgresql://127.0.0.1:{server.port}/{DATABASE}", options, Credential("postgres", server.password)
    )


@pytest.fixture(scope="module")
def connector(remote: PostgresqlServer) -> Iterator[PostgresqlConnector]:
    made = PostgresqlConnector(source(remote))
    yield made
    made.close()


@pytest.fixture(scope="module")
def tables() -> dict[str, VirtualTable]:
    return {name: table(f"public.{name}") for name in ("rows", "empty", "big", "missing")}


@pytest.fixture
def broken(remote: PostgresqlServer) -> list[Connector]:
    location = f"postgresql://127.0.0.1:{remote.port}"
    wrong = Credential("postgres", "planted-secret")
    return [
        PostgresqlConnector(DataSource("src", "postgresql", f"{location}/{DATABASE}", {}, wrong)),
        PostgresqlConnector(DataSource("src", "postgresql", f"postgresql://127.0.0.1:{free_port()}/x", {}, wrong)),
    ]


class TestConformance(ConnectorConformance):
    """Everything."""


def push(connector: PostgresqlConnector, sql: str, **tables: VirtualTable) -> Accepted | Declined:
    return connector.push(FragmentRequest(parse_one(sql, dialect="postgres"), tables, DataSource("src", "postgresql", "")))


def pushed(connector: PostgresqlConnector, sql: str, **tables: VirtualTable) -> list[tuple[Any, ...]]:
    answer = push(connector, sql, **tables)
    assert isinstance(answer, Accepted), answer
    return [tuple(row.values()) for row in read(answer.fragment).to_pylist()]


T = table("public.rows")
BIG = table("public.big", [Column("id", "bigint"), Column("pad", "text")], "big")

TAKEN = [
    "SELECT t.id FROM public.t AS t WHERE t.n > 0 AND t.name LIKE 'a%'",
    "SELECT count(*) AS c, sum(t.amount) AS s, avg(t.n) AS a, min(t.id) AS m, max(t.ratio) AS x FROM public.t AS t",
    "SELECT t.flag, count(DISTINCT t.n) AS c FROM public.t AS t GROUP BY t.flag HAVING count(*) > 1 ORDER BY t.flag",
    "SELECT DISTINCT t.flag FROM public.t AS t ORDER BY t.flag NULLS FIRST LIMIT 2 OFFSET 1",
    "SELECT a.id, b.name FROM public.t AS a LEFT JOIN public.t AS b ON a.id = b.n - 9 ORDER BY a.id",
    "SELECT a.id FROM public.t AS a WHERE EXISTS (SELECT 1 FROM public.t AS b WHERE b.id = a.n) OR a.id IN (SELECT b.id FROM public.t AS b)",
    "SELECT a.id FROM public.t AS a UNION ALL SELECT b.id FROM public.t AS b ORDER BY 1 LIMIT 3",
    "SELECT a.id FROM public.t AS a EXCEPT SELECT b.n::bigint FROM public.t AS b",
    "SELECT x.n FROM (SELECT a.n AS n FROM public.t AS a WHERE a.n > 1) AS x",
    "SELECT t.id / 2 AS h, t.n % 3 AS m, -t.n AS g, abs(t.n) AS b, round(t.amount, 1) AS r, coalesce(t.n, 0) AS c FROM public.t AS t WHERE t.id < 9",
    "SELECT CASE WHEN t.n > 0 THEN 'p' ELSE 'm' END AS k, length(t.name) AS l, t.name || 'x' AS j FROM public.t AS t",
    "SELECT t.name FROM public.t AS t WHERE t.name > 'B' ORDER BY t.name DESC NULLS LAST",
    "SELECT lower(t.name) AS l, max(t.name) AS m FROM public.t AS t GROUP BY lower(t.name)",
    'SELECT extract(year FROM t."Day Of") AS y, count(*) AS c FROM public.t AS t GROUP BY extract(year FROM t."Day Of")',
    "SELECT t.flag, count(*) FILTER (WHERE t.n > 0) AS c FROM public.t AS t GROUP BY 1",
    "WITH w AS (SELECT a.id AS id FROM public.t AS a) SELECT w.id FROM w WHERE w.id < 3",
    "SELECT '\\ ''q\"' AS q, t.id FROM public.t AS t WHERE t.name IS DISTINCT FROM 'a\\b'",
]


@pytest.mark.parametrize("sql", TAKEN)
def test_pushed_statement_gives_what_the_server_gives(connector: PostgresqlConnector, remote: PostgresqlServer, sql: str) -> None:
    ours = pushed(connector, sql, t=T, a=T, b=T)
    with remote.connect(DATABASE) as direct:
        theirs = direct.execute(sql.replace("public.t ", "public.rows ")).fetchall()
    assert sorted(map(repr, _plain(ours))) == sorted(map(repr, _plain(theirs)))
    if "ORDER BY" in sql:
        assert _plain(ours) == _plain(theirs)


def _plain(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [tuple(float(v) if v is not None and re.fullmatch(r"-?\d+(\.\d+)?", str(v)) else v for v in row) for row in rows]


REFUSED = [
    ("SELECT random() AS r FROM public.t AS t", "not_on_list"),
    ("SELECT now() AS r FROM public.t AS t", "not_on_list"),
    ("SELECT t.id FROM public.t AS t FOR UPDATE", "not_on_list"),
    ("SELECT my_function(t.n) AS f FROM public.t AS t", "not_on_list"),
    ("SELECT t.id FROM public.t AS t, stranger AS s", "not_a_table"),
]
Z = table("public.types", [Column("i", "bigint"), Column("tz", "timestamp with time zone")], "z")


@pytest.mark.parametrize(("sql", "code"), REFUSED)
def test_refused_with_its_reason(connector: PostgresqlConnector, sql: str, code: str) -> None:
    answer = push(connector, sql, t=T, a=T, z=Z)
    assert isinstance(answer, Declined)
    assert answer.kept[0].code == code


def test_one_statement_arrives_for_a_join_with_aggregates(connector: PostgresqlConnector, remote: PostgresqlServer) -> None:
    sql = "SELECT a.flag, sum(b.amount) AS s FROM public.t AS a JOIN public.t AS b ON a.id = b.id WHERE a.n > 0 GROUP BY a.flag ORDER BY s LIMIT 5"
    answer = push(connector, sql, a=T, b=T)
    assert isinstance(answer, Accepted)
    read(answer.fragment, QueryContext(trace="proof-1"))
    arrived = [line for line in remote.log.splitlines() if "[bdc proof-1]" in line and "COPY (" in line]
    assert len(arrived) == 1
    assert answer.fragment.text in arrived[0]


def test_all_types_come_exactly(connector: PostgresqlConnector) -> None:
    detected = connector.detect("public.types", {})
    assert detected.unmapped == ()
    found = table("public.types", detected.columns)
    rows = read(connector.scan(found, [c.name for c in detected.columns], []).fragment)
    column = {name: rows[name] for name in rows.column_names}
    assert column["num"].to_pylist() == ["NaN", "1" + "0" * 40, "0.10000000000000000000001"]
    assert column["u"].to_pylist() == ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", None, None]
    assert column["j"].to_pylist() == ['{"a": 1}', None, "[]"]
    assert column["iv"].to_pylist() == ["1 mon -2 days +00:00:03", None, "00:00:00"]
    assert column["a"].to_pylist() == ["{1,NULL}", None, "{}"]
    assert column["by"].to_pylist() == [b"\x00\xff", None, b""]
    assert column["ch"].to_pylist() == ["q  ", None, "abc"]
    assert column["d"].cast("int32").to_pylist() == [2**31 - 1, -(2**31 - 1), -735160]
    assert column["tz"].cast("int64").to_pylist() == [1704103200000000, 2**63 - 1, -(2**63 - 1)]
    assert column["tm"].cast("int64").to_pylist() == [86_400_000_000, None, 1]
    assert column["ip"].to_pylist() == ["1.2.3.4/32", None, "::1/128"]
    assert str(column["f"].to_pylist()) == "[0.10000000149011612, nan, -inf]"


def test_declared_type_rules(connector: PostgresqlConnector) -> None:
    declared = table(
        "public.rows", [Column("amount", "double precision"), Column("number", "text", remote="n"), Column("id", "numeric(20,1)")]
    )
    rows = read(connector.scan(declared, ["amount", "number", "id"], [parse_one("\"number\" = '10'")]).fragment)
    assert [str(v) for v in rows.to_pylist()[0].values()] == ["1.5", "10", "1.0"]


def test_nan_in_a_constrained_numeric_is_an_error_with_its_column(connector: PostgresqlConnector) -> None:
    declared = table("public.types", [Column("i", "bigint"), Column("num", "numeric(30,2)")])
    with pytest.raises(DataError, match="num"):
        read(connector.scan(declared, ["num"], [parse_one('"i" = 1')]).fragment)


def test_objects_and_odd_names(connector: PostgresqlConnector) -> None:
    assert {o.name for o in connector.objects("public")} == {"rows", "empty", "big", "types", "secretive"}
    odd = next(o for o in connector.objects() if o.schema.startswith("Odd"))
    detected = connector.detect(odd.location, {})
    assert {c.name: c.type for c in detected.columns} == {'Sel"ect': "integer", "m": "text", "c": "numeric(10,2)", "p": "point"}
    assert [(name, kind) for name, kind, _ in detected.unmapped] == [("h", "int4multirange")]
    rows = read(connector.scan(table(odd.location, detected.columns), ['Sel"ect', "m", "c", "p"], []).fragment).to_pylist()
    assert [str(v) for v in rows[0].values()] == ["1", "happy", "1.25", "(1,2)"]


def test_detect_knows_nulls_and_rows(connector: PostgresqlConnector) -> None:
    detected = connector.detect("rows", {})
    assert [c.nullable for c in detected.columns] == [False] + [True] * (len(COLUMNS) - 1)
    assert detected.rows == len(ROWS)


def test_detect_knows_what_analyze_found_and_keys(connector: PostgresqlConnector, remote: PostgresqlServer) -> None:
    with remote.connect(DATABASE) as session:
        session.execute(
            "CREATE TABLE measured AS SELECT i AS id, i % 7 AS few, CASE WHEN i % 2 = 0 THEN i END AS half FROM generate_series(1, 1000) i"
        )
        session.execute("CREATE TABLE unknown (id int)")
        session.execute("ANALYZE measured")
    found = connector.detect("measured", {}).statistics
    assert {name: round(one.n_distinct, 2) for name, one in found.items()} == {"id": -1, "few": 7, "half": -0.5}
    assert found["half"].null_frac == 0.5 and found["id"].avg_width == 4
    assert found["few"].most_common_vals is not None and found["few"].histogram_bounds is None
    assert found["id"].histogram_bounds is not None and found["id"].histogram_bounds.endswith(",1000}")
    assert connector.detect("unknown", {}).statistics == {}


@pytest.mark.parametrize("location", ["a.b.c", '"a', "a.", "", "x; DROP TABLE y"])
def test_bad_locations(connector: PostgresqlConnector, location: str) -> None:
    with pytest.raises(DefinitionError, match="location"):
        connector.detect(location, {})


@pytest.mark.parametrize(
    ("location", "options", "named"),
    [
        ("postgresql://h/db", {"sslmod": "x"}, "sslmod"),
        ("postgresql://h/db", {"sslmode": "x"}, "sslmode"),
        ("postgresql://h/db", {"max_connections": "0"}, "max_connections"),
        ("postgresql://h/db", {"connect_timeout": "soon"}, "connect_timeout"),
        ("postgresql://u:planted-secret@h/db", {}, "credential"),
        ("mysql://h/db", {}, "postgresql://"),
        ("postgresql://h", {}, "postgresql://"),
        ("postgresql://h:port/db", {}, "postgresql://"),
    ],
)
def test_bad_definitions(location: str, options: dict[str, str], named: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        PostgresqlConnector(DataSource("src", "postgresql", location, options))
    assert named in f"{caught.value.message} {caught.value.hint}"
    assert "planted-secret" not in f"{caught.value.message} {caught.value.hint}"


def _wait_until_gone(remote: PostgresqlServer, trace: str) -> float:
    start = time.monotonic()
    with remote.connect(DATABASE) as admin:
        while time.monotonic() < start + PATIENCE:
            query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s AND state <> 'idle'"
            if admin.execute(query, (f"bdc {trace}",)).fetchone() == (0,):
                break
            time.sleep(0.02)
    return time.monotonic() - start


SLOW = "SELECT count(*) AS c FROM public.a AS a, public.b AS b, public.d AS d WHERE a.id + b.id + d.id < 0"


def test_a_cancel_just_before_the_statement_starts_is_not_lost(connector: PostgresqlConnector, remote: PostgresqlServer) -> None:
    context = QueryContext(trace="too-early")

    def begin(cursor: adbc.Cursor) -> None:
        context.cancel()
        cursor.execute("SELECT pg_sleep(300)")
        cursor.fetchall()

    start = time.monotonic()
    with pytest.raises(CancelledError):
        connector._client.begin("nothing", context, begin)  # nothing else has a handle on this moment
    assert time.monotonic() - start < SOON
    assert _wait_until_gone(remote, "too-early") < SOON


def test_cancel_reaches_the_server_soon(connector: PostgresqlConnector, remote: PostgresqlServer) -> None:
    answer = push(connector, SLOW, a=BIG, b=BIG, d=BIG)
    assert isinstance(answer, Accepted)
    context = QueryContext(trace="to-cancel")
    threading.Timer(0.5, context.cancel).start()
    with pytest.raises(CancelledError):
        read(answer.fragment, context)
    assert _wait_until_gone(remote, "to-cancel") < SOON


def test_a_cancel_after_the_last_row_counts(connector: PostgresqlConnector, tables: dict[str, VirtualTable]) -> None:
    context = QueryContext(trace="all-there")
    batches = iter(connector.scan(tables["rows"], ["id"], []).fragment.open(context))
    assert next(batches).num_rows == len(ROWS)
    context.cancel()
    with pytest.raises(CancelledError):
        next(batches)


def test_close_stops_the_statement(connector: PostgresqlConnector, remote: PostgresqlServer) -> None:
    batches = connector.scan(BIG, ["id", "pad"], []).fragment.open(QueryContext(trace="half-read"))
    next(iter(batches))
    batches.close()
    assert _wait_until_gone(remote, "half-read") < SOON


def test_statement_timeout(remote: PostgresqlServer) -> None:
    connector = PostgresqlConnector(source(remote, statement_timeout="0.3"))
    answer = push(connector, SLOW, a=BIG, b=BIG, d=BIG)
    assert isinstance(answer, Accepted)
    with pytest.raises(SourceTimeoutError, match=r"public\.big"):
        read(answer.fragment)
    connector.close()


def test_server_that_accepts_and_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        location = f"postgresql://127.0.0.1:{silent.getsockname()[1]}/x"
        start = time.monotonic()
        with pytest.raises(SourceUnreachableError):
            PostgresqlConnector(DataSource("src", "postgresql", location, {"connect_timeout": "2"})).test()
        assert time.monotonic() - start < SOON


def test_wrong_password_and_database(remote: PostgresqlServer) -> None:
    location = f"postgresql://127.0.0.1:{remote.port}"
    with pytest.raises(SourceCredentialError):
        PostgresqlConnector(DataSource("src", "postgresql", f"{location}/{DATABASE}", {}, Credential("postgres", "x"))).test()
    with pytest.raises(RemoteObjectError, match="nowhere"):
        PostgresqlConnector(DataSource("src", "postgresql", f"{location}/nowhere", {}, Credential("postgres", remote.password))).test()


def test_permission_denied_names_the_table(remote: PostgresqlServer) -> None:
    reader = Credential("reader", "planted-secret")
    connector = PostgresqlConnector(DataSource("src", "postgresql", f"postgresql://127.0.0.1:{remote.port}/{DATABASE}", {}, reader))
    with pytest.raises(SourceCredentialError, match="secretive"):
        read(connector.scan(table("public.secretive", [Column("id", "integer")]), ["id"], []).fragment)
    connector.close()


def test_idle_session_that_died_is_replaced(
    connector: PostgresqlConnector, remote: PostgresqlServer, tables: dict[str, VirtualTable]
) -> None:
    fragment = connector.scan(tables["rows"], ["id"], []).fragment
    read(fragment, QueryContext(trace="idle-one"))
    with remote.connect(DATABASE) as admin:
        admin.execute(f"SELECT pg_terminate_backend(pid, {PATIENCE * 1000:.0f}) FROM pg_stat_activity WHERE application_name LIKE 'bdc%'")
    assert read(fragment).num_rows == len(ROWS)


def test_connection_lost_in_the_middle(connector: PostgresqlConnector, remote: PostgresqlServer) -> None:
    iterator = iter(connector.scan(BIG, ["id", "pad"], []).fragment.open(QueryContext(trace="to-lose")))
    next(iterator)
    with remote.connect(DATABASE) as admin:
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'bdc to-lose'")
    with pytest.raises(SourceUnreachableError, match=r"public\.big"):
        for _ in iterator:
            pass


def test_pool_waits_and_gives_up(remote: PostgresqlServer, tables: dict[str, VirtualTable]) -> None:
    connector = PostgresqlConnector(source(remote, max_connections="1", pool_timeout="0.3"))
    fragment = connector.scan(BIG, ["id", "pad"], []).fragment
    held = fragment.open(QueryContext())
    reading = iter(held)
    next(reading)
    with pytest.raises(SourceTimeoutError, match="no free connection"):
        fragment.open(QueryContext())
    held.close()
    assert read(connector.scan(tables["rows"], ["id"], []).fragment).num_rows == len(ROWS)
    connector.close()


def test_source_is_read_only(connector: PostgresqlConnector) -> None:
    setting = connector._client.rows("SELECT current_setting('transaction_read_only') AS s", "x")
    assert setting == [{"s": "on"}]


def test_pushdown_can_be_switched_off(remote: PostgresqlServer) -> None:
    connector = PostgresqlConnector(source(remote, pushdown="off"))
    scanned = connector.scan(T, ["id"], [parse_one('"id" = 1')])
    assert [k.code for k in scanned.kept] == ["switched_off"]
    assert read(scanned.fragment).num_rows == len(ROWS)
    assert isinstance(push(connector, "SELECT t.id FROM public.t AS t", t=T), Declined)
    connector.close()


def test_other_collation_of_the_source(remote: PostgresqlServer) -> None:
    """Where the source sorts by language, every ordering of texts says COLLATE, or stays here."""
    connector = PostgresqlConnector(source(remote))
    connector._facts = dataclasses.replace(connector._known(), orders_by_code_point=False)  # no build here brings another collation
    for sql in TAKEN:
        answer = push(connector, sql, t=T, a=T, b=T)
        assert isinstance(answer, Accepted), sql
        read(answer.fragment)
    for sql, collations in (
        ("SELECT t.name FROM public.t AS t WHERE t.name > 'B' ORDER BY t.name", 2),
        ("SELECT t.name AS x FROM public.t AS t ORDER BY x", 1),
        ("SELECT t.name AS x FROM public.t AS t ORDER BY 1", 1),
        ("SELECT max(t.name) AS x, min(t.n) AS y FROM public.t AS t", 1),
        ("SELECT greatest(t.name, 'b') AS x FROM public.t AS t", 1),
        ("SELECT t.id FROM public.t AS t WHERE t.name BETWEEN 'a' AND 'b' AND t.n < 5 AND t.name = 'x'", 1),
    ):
        answer = push(connector, sql, t=T)
        assert isinstance(answer, Accepted)
        assert answer.fragment.text.count('COLLATE "C"') == collations
        read(answer.fragment)
    for sql in (
        "SELECT DISTINCT t.name FROM public.t AS t ORDER BY t.name DESC LIMIT 3",
        "SELECT a.name FROM public.t AS a UNION SELECT b.name FROM public.t AS b ORDER BY 1 DESC LIMIT 3",
    ):
        rows = [row[0] for row in pushed(connector, sql, t=T, a=T, b=T)]
        assert rows == [None, *sorted({row[5] for row in ROWS if row[5] is not None}, reverse=True)][:3]
    connector.close()


def test_character_classes_of_the_source(remote: PostgresqlServer) -> None:
    """A source with LC_CTYPE C lowers ASCII only: from version 17 on it is told to use Unicode, before that lower() stays here."""
    name = "connector_ctype_c"
    with remote.connect() as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE template0 LOCALE_PROVIDER libc LOCALE 'C' ENCODING 'UTF8'")
    try:
        with remote.connect(name) as made:
            made.execute("CREATE TABLE public.w (w text); INSERT INTO public.w VALUES ('Ä')")
            assert made.execute("SELECT lower(w) FROM public.w").fetchone() == ("Ä",)
        location = f"postgresql://127.0.0.1:{remote.port}/{name}"
        other = PostgresqlConnector(DataSource("src", "postgresql", location, {}, Credential("postgres", remote.password)))
        w = table("public.w", [Column("w", "text")], "w")
        assert pushed(other, "SELECT lower(w.w) AS l FROM public.w AS w WHERE w.w ILIKE 'ä'", w=w) == [("ä",)]
        other._facts = dataclasses.replace(other._known(), version=160000)
        declined = push(other, "SELECT lower(w.w) AS l FROM public.w AS w", w=w)
        assert isinstance(declined, Declined) and declined.kept[0].code == "character_classes"
        other.close()
    finally:
        with remote.connect() as admin:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_big_is_as_big_as_the_suite_says(connector: PostgresqlConnector) -> None:
    assert pushed(connector, "SELECT count(*) AS c FROM public.big AS big", big=BIG) == [(BIG_ROWS,)]


def test_error_in_the_middle_of_the_answer_keeps_its_meaning(connector: PostgresqlConnector) -> None:
    answer = push(connector, "SELECT 1 / (200000 - b.id) AS x FROM public.b AS b", b=BIG)
    assert isinstance(answer, Accepted)
    with pytest.raises(DataError, match="division by zero") as failed:
        read(answer.fragment)
    assert failed.value.code == "22012"
