"""The parser keeps PostgreSQL's meaning: PostgreSQL itself prints the same view for a text and for what the parser made of it."""

from __future__ import annotations

import time

import psycopg
import pytest
from sqlglot import exp

from virtualization.errors import SqlError, UnsupportedError, VirtualizationError
from virtualization.parse import MAX_CHARACTERS, parse, replace_parameters

TABLE = """CREATE TABLE k (a int, b int, c int, t text, u text, d date, ts timestamp, tz timestamptz, n numeric, f float8, j json, jb jsonb,
arr int[], bo bool, iv interval, by bytea, ch char(3))"""

# One expression a line; PostgreSQL's own view text must not change.
EXPRESSIONS = """
a + b * c - a / b % c
a || 'x' = t
t || u LIKE 'x' || u
NOT bo AND bo OR bo
NOT a = b
a BETWEEN 1 AND 2 AND bo
a IS DISTINCT FROM b + 1
t NOT LIKE 'a' AND bo
t LIKE 'a' ESCAPE '!'
t NOT ILIKE ALL (ARRAY['a'])
t SIMILAR TO 'a|b'
t ~* 'a'
a IN (1, 2) = bo
j -> 0
j -> ''
jb ->> '' || 'x'
j -> 'a' ->> 'b'
jb #>> '{a,b}'
jb -> 'a' -> 0
jb ?| array['a']
arr @> '{1}'
arr[1:2]
a = ANY (arr)
a <> ALL (arr)
ts + interval '1 day 2 hours'
interval '1-2' year to month
tz AT TIME ZONE 'UTC'
ts AT TIME ZONE 'UTC' + interval '1 hour'
date_part('year', d)
extract(epoch from ts)
to_char(ts, 'YYYY-MM-DD HH24:MI:SS')
to_number(t, '99')
substring(t from 2 for 3)
substring(t from 'a.*')
position('a' in t)
overlay(t placing 'x' from 1 for 2)
concat(t, a, NULL)
log(2, n)
round(n, 2)
a::numeric(10, 2)
t::varchar(3)
t::char
t::bpchar
'1'::"char"
ts::timestamp(0)
t::int[]
array[[1, 2], [3, 4]]
row(1, 2) = row(a, b)
(a, b) < (1, 2)
case a when 1 then 'x' else t end
E'a\\nb'
B'101'
X'1f'
t COLLATE "C" < u
a & b | c
a << 2 >> b
- (- a)
a - (b - c)
regexp_replace(t, 'a', 'b', 'g')
string_to_array(t, ',')
width_bucket(a, 1, 2, 3)
pg_catalog.lower(t)
a OPERATOR(pg_catalog.+) b
a::pg_catalog.int8
gen_random_uuid()
timezone('UTC', tz)
iv * 2
"""

# Two spellings of the same thing: what the parser makes of the first must print as the second.
SAME = {
    "- a ^ 2": "power(- a, 2)",
    "2 ^ 3 ^ 2": "power(power(2, 3), 2)",
    "a NOT BETWEEN 1 AND b": "NOT a BETWEEN 1 AND b",
    "t !~ 'b'": "NOT t ~ 'b'",
    "t !~~ 'b'": "t NOT LIKE 'b'",
    "bo IS NOT TRUE": "NOT bo IS TRUE",
    "bo IS UNKNOWN": "bo IS NULL",
    "a NOT IN (1, NULL)": "NOT a IN (1, NULL)",
    "strpos(t, 'a')": "position('a' in t)",
    "rtrim(t, 'x')": "trim(trailing 'x' from t)",
    "current_timestamp(3)": "cast(current_timestamp as timestamptz(3))",
    "now()": "current_timestamp",
    "char_length(t)": "length(t)",
    "variance(n)": "var_samp(n)",
    "|/ f": "sqrt(f)",
}

STATEMENTS = """
select count(distinct a), stddev(n), every(bo), bit_and(a), string_agg(t, ',' order by t desc), jsonb_object_agg(t, a) from k
select percentile_cont(0.5) within group (order by f), mode() within group (order by t), rank(1) within group (order by a) from k
select rank() over (partition by a order by b desc nulls last), lag(a, 1, 0) over w from k window w as (partition by c order by d)
select sum(a) over (order by b groups between 1 preceding and 1 following exclude current row) from k
select a from k order by a desc, b nulls first
select a from k order by a fetch first 3 rows with ties
select a from k offset 2 rows fetch next 1 row only
select distinct on (a) a, b from k order by a, b
select a, b, count(*), grouping(a, b) from k group by grouping sets ((a), (b), ())
select a, count(*) from k group by a, rollup (b)
select a, count(*) from k group by distinct rollup (a, b), rollup (a)
select a from k union all select b from k intersect select c from k
(select a from k union select b from k) except all select c from k
with x as not materialized (select a from k) select * from x
with recursive x(n) as (select 1 union all select n + 1 from x where n < 3) cycle n set cy using p select n from x
select k.a, l.* from k cross join lateral (select k.b + 1 as z) l
select * from k, unnest(arr) with ordinality as q(v, o)
select * from rows from (generate_series(1, 2), generate_series(1, 3)) as r(p, q)
select * from json_to_recordset('[{"a":1}]') as x(a int)
select x.a from k x, k y left join k z on z.a = y.a
select x.a from k x join (k y join k z on y.a = z.a) on x.a = z.b
select a from k where a > all (select b from k) and (a, b) in (select b, c from k)
select array(select a from k order by b)
select a as "select", b "Mixed Case" from k
select (k.*)::text from k
table k
"""


@pytest.fixture(scope="module")
def connection(postgresql: object) -> psycopg.Connection:
    with postgresql.connect() as server:  # type: ignore[attr-defined]
        server.execute("CREATE DATABASE parse")
    with postgresql.connect("parse") as made:  # type: ignore[attr-defined]
        made.execute(TABLE)
        yield made


def printed(connection: psycopg.Connection, sql: str) -> str:
    connection.execute("DROP VIEW IF EXISTS v")
    connection.execute("CREATE VIEW v AS " + sql)
    return connection.execute("SELECT pg_get_viewdef('v')").fetchone()[0]


def test_keeps_the_meaning(connection: psycopg.Connection) -> None:
    texts = [f"SELECT {line} AS r FROM k" for line in EXPRESSIONS.strip().splitlines()] + STATEMENTS.strip().splitlines()
    wrong = [sql for sql in texts if printed(connection, sql) != printed(connection, parse(sql).sql("postgres"))]
    assert wrong == []


def test_other_spellings(connection: psycopg.Connection) -> None:
    for written, meant in SAME.items():
        made = parse(f"SELECT {written} AS r FROM k").sql("postgres")
        assert printed(connection, made) == printed(connection, f"SELECT {meant} AS r FROM k"), written


@pytest.mark.parametrize(
    ("sql", "error"),
    [
        ("INSERT INTO t VALUES (1)", UnsupportedError),
        ("WITH x AS (INSERT INTO t VALUES (1) RETURNING a) SELECT * FROM x", UnsupportedError),
        ("DROP TABLE t", UnsupportedError),
        ("EXPLAIN SELECT 1", UnsupportedError),
        ("COPY t TO STDOUT", UnsupportedError),
        ("SET a = 1", UnsupportedError),
        ("SELECT * INTO x FROM t", UnsupportedError),
        ("SELECT * FROM t FOR UPDATE", UnsupportedError),
        ("SELECT * FROM t TABLESAMPLE SYSTEM (1)", UnsupportedError),
        ("SELECT 1_000", UnsupportedError),
        ("SELECT 0x1F", UnsupportedError),
        ("", SqlError),
        (";", SqlError),
        ("SELECT 1; SELECT 2", SqlError),
        ("SELECT (", SqlError),
        ("SELECT 'abc", SqlError),
        ("SELECT a FROM", SqlError),
        ("SELECT @ a", SqlError),
        ("SELECT a OPERATOR(public.=) b", UnsupportedError),
    ],
)
def test_refuses(sql: str, error: type[VirtualizationError]) -> None:
    with pytest.raises(error):
        parse(sql)


def test_names_the_place() -> None:
    with pytest.raises(SqlError) as raised:
        parse("SELECT a FROM t\nWHERE (a = ")
    assert "line 2" in (raised.value.detail or "")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT " + "(" * 50_000 + "1" + ")" * 50_000,
        "SELECT " + "NOT " * 50_000 + "true",
        "SELECT " + "- " * 50_000 + "1",
        "SELECT " + "(SELECT " * 5_000 + "1" + ")" * 5_000,
        "SELECT " + "CASE WHEN true THEN " * 5_000 + "1" + " END" * 5_000,
        "SELECT a" + "[1]" * 5_000,
        "SELECT 1" + "::int" * 5_000,
        "SELECT " + "f(" * 5_000 + "1" + ")" * 5_000,
        "SELECT 1" + " " * MAX_CHARACTERS,
        "SELECT " + "'" * 99_999,
        "SELECT " + "a.b" * 9_999,
    ],
)
def test_hostile_texts_end_soon_with_an_error(sql: str) -> None:
    start = time.thread_time()
    with pytest.raises(VirtualizationError):
        parse(sql)
    assert time.thread_time() - start < 5


def test_long_but_harmless_texts_pass() -> None:
    assert len(parse("SELECT 1 WHERE 1 IN (" + ",".join(map(str, range(20_000))) + ")").find(exp.In).expressions) == 20_000
    parse("SELECT 1 WHERE " + " OR ".join(f"a = {n}" for n in range(2_000)))


def test_parameters() -> None:
    query = replace_parameters(parse("SELECT $1::int + $2"), [exp.Literal.number(1), exp.Literal.number(2)])
    assert query.sql("postgres") == "SELECT CAST(1 AS INT) + 2"
    with pytest.raises(SqlError, match="no parameter"):
        replace_parameters(parse("SELECT $3"), [])


@pytest.mark.parametrize(
    ("sql", "same"),
    [
        ("date '2024-01-01'::text", "('2024-01-01'::date)::text"),
        ("timestamp '2024-01-01 10:00'::date", "('2024-01-01 10:00'::timestamp)::date"),
        ("timestamp with time zone '2024-01-01'::date", "('2024-01-01'::timestamptz)::date"),
        ("timestamp(3) '2024-01-01'::text", "('2024-01-01'::timestamp(3))::text"),
        ("int '5'::text::bigint", "('5'::int)::text::bigint"),
    ],
)
def test_a_typed_constant_is_cast_after_its_own_type(sql: str, same: str) -> None:
    made = parse(f"SELECT {sql}").selects[0]
    assert made.sql("postgres") == parse(f"SELECT {same}").selects[0].transform(lambda n: n.this if isinstance(n, exp.Paren) else n).sql(
        "postgres"
    )
