"""What is refused where a source differs, and how texts are told to a source with another collation. No server is asked."""

from __future__ import annotations

import dataclasses

import pytest

from virtualization.bind import bind
from virtualization.catalog import Column, DataSource, MemoryCatalog, VirtualTable
from virtualization.connectors.postgresql import remote_sql, rewrites
from virtualization.connectors.postgresql.facts import Facts
from virtualization.parse import parse
from virtualization.plan import Kept

SAME = Facts(180000, "18", "UTF8", orders_by_code_point=True, same_character_classes=True, time_zones=True, nondeterministic=False)
COLUMNS = {
    "id": "bigint", "n": "integer", "amount": "numeric(12,2)", "ok": "boolean", "name": "text", "code": "character(5)", "d": "date",
    "ts": "timestamp without time zone", "tz": "timestamp with time zone", "j": "jsonb", "a": "integer[]",
}  # fmt: skip
TABLE = VirtualTable("public", "t", "src", "public.t", tuple(Column(name, of) for name, of in COLUMNS.items()))
CATALOG = MemoryCatalog.of([DataSource("src", "postgresql", "postgresql://h/d")], [TABLE])


def refusal(sql: str, facts: Facts) -> Kept | None:
    bound = bind(parse(sql), CATALOG)
    return rewrites.refusal(remote_sql.annotated(bound.query, bound.tables), facts)


def told(sql: str, facts: Facts) -> str:
    bound = bind(parse(sql), CATALOG)
    query = remote_sql.annotated(bound.query, bound.tables)
    assert rewrites.refusal(query, facts) is None
    return rewrites.collate(query, facts).sql("postgres")


ANYWHERE = [
    ("SELECT random() FROM t", "not_on_list"),
    ("SELECT now() FROM t", "not_on_list"),
    ("SELECT my_function(n) FROM t", "not_on_list"),
    ("SELECT nextval('s') FROM t", "not_on_list"),
    ("SELECT current_setting('x') FROM t", "not_on_list"),
    ("SELECT hashtext(name) FROM t", "not_on_list"),
    ("SELECT to_tsvector(name) FROM t", "not_on_list"),
    ("SELECT age(ts) FROM t", "session_function"),
    ("SELECT name::regclass FROM t", "cast"),
    ("SELECT name::xml FROM t", "cast"),
    ("SELECT name::oid FROM t", "cast"),
    ("SELECT id FROM t WHERE d = 'today'", "date_style"),
    ("SELECT id FROM t WHERE ts > 'now'", "date_style"),
    ("SELECT 'yesterday'::date FROM t", "date_style"),
    ("SELECT timestamptz '2024-01-01 10:00 IST' FROM t", "date_style"),
    ('SELECT name COLLATE "sv-x-icu" FROM t', "text_order"),
    ("SELECT id FROM t LIMIT (SELECT 1)", "not_on_list"),
    ("SELECT g FROM t, generate_series(1, t.n) g", "not_on_list"),
    ("SELECT unnest(a) FROM t", "not_on_list"),
]
OLD_ZONES = dataclasses.replace(SAME, time_zones=False)
VERSION_12 = dataclasses.replace(SAME, version=120000)
LATIN = dataclasses.replace(SAME, encoding="LATIN1", orders_by_code_point=False, same_character_classes=False)
SWEDISH = dataclasses.replace(SAME, orders_by_code_point=False, same_character_classes=False)
SWEDISH_16 = dataclasses.replace(SWEDISH, version=160000)
DIFFERENT = [
    (OLD_ZONES, "SELECT tz::date FROM t", "time_zone"),
    (OLD_ZONES, "SELECT tz::text FROM t", "time_zone"),
    (OLD_ZONES, "SELECT ts::timestamptz FROM t", "time_zone"),
    (OLD_ZONES, "SELECT concat(name, tz) FROM t", "time_zone"),
    (OLD_ZONES, "SELECT name || tz FROM t", "time_zone"),
    (OLD_ZONES, "SELECT extract(day FROM tz) FROM t", "time_zone"),
    (OLD_ZONES, "SELECT date_part('day', tz) FROM t", "time_zone"),
    (OLD_ZONES, "SELECT date_trunc('day', tz) FROM t", "time_zone"),
    (OLD_ZONES, "SELECT date_trunc('month', d) FROM t", "time_zone"),
    (OLD_ZONES, "SELECT tz + interval '1 day' FROM t", "time_zone"),
    (OLD_ZONES, "SELECT ts AT TIME ZONE 'Europe/Berlin' FROM t", None),
    (OLD_ZONES, "SELECT tz AT TIME ZONE 'Europe/Berlin' FROM t", "time_zone"),
    (OLD_ZONES, "SELECT id FROM t WHERE tz > '2024-01-01'", "time_zone"),
    (OLD_ZONES, "SELECT id FROM t WHERE tz > d", "time_zone"),
    (OLD_ZONES, "SELECT id FROM t WHERE tz = tz AND d > '2024-01-01' AND extract(year FROM d) = 2024", None),
    (VERSION_12, "SELECT extract(year FROM d) FROM t", "version"),
    (VERSION_12, "SELECT id FROM t WHERE name ~ 'a'", "version"),
    (VERSION_12, "SELECT regexp_replace(name, 'a', 'b') FROM t", "version"),
    (VERSION_12, "SELECT gcd(n, 2) FROM t", "version"),
    (VERSION_12, "SELECT date_part('year', d), lower(name) FROM t", None),
    (LATIN, "SELECT id FROM t ORDER BY name", "text_order"),
    (LATIN, "SELECT max(name) FROM t", "text_order"),
    (LATIN, "SELECT md5(name) FROM t", "encoding"),
    (LATIN, "SELECT octet_length(name), ascii(name) FROM t", "encoding"),
    (LATIN, "SELECT upper(name) FROM t", "character_classes"),
    (LATIN, "SELECT id FROM t WHERE name = 'a' AND name LIKE 'a%' AND length(name) > 1", None),
    (SWEDISH, "SELECT DISTINCT ON (name) name FROM t ORDER BY name", "distinct_on"),
    (SWEDISH, "SELECT DISTINCT ON (n) name FROM t ORDER BY n, id", None),
    (SWEDISH, "SELECT id FROM t WHERE (name, n) > ('a', 1)", "unknown_order"),
    (SWEDISH, "SELECT id FROM t WHERE 'x' > ALL (SELECT name FROM t)", "unknown_order"),
    (SWEDISH, "SELECT id FROM t ORDER BY j -> 'a'", "unknown_order"),
    (SWEDISH, 'SELECT name COLLATE "C" FROM t', "text_order"),
    (SWEDISH, "SELECT lower(name), name ~ 'a', substring(name FROM 'a.') FROM t", None),
    (SWEDISH_16, "SELECT lower(name) FROM t", "character_classes"),
    (SWEDISH_16, "SELECT id FROM t WHERE name ILIKE 'a'", "character_classes"),
    (SWEDISH_16, "SELECT id FROM t WHERE name ~ 'a'", "character_classes"),
    (SWEDISH_16, "SELECT substring(name FROM 'a.*') FROM t", "character_classes"),
    (SWEDISH_16, "SELECT substring(name FROM 2 FOR 1) FROM t", None),
]


@pytest.mark.parametrize(("sql", "code"), ANYWHERE)
def test_stays_here_whatever_the_source(sql: str, code: str) -> None:
    found = refusal(sql, SAME)
    assert found is not None and found.code == code


@pytest.mark.parametrize(("facts", "sql", "code"), DIFFERENT)
def test_stays_here_where_the_source_differs(facts: Facts, sql: str, code: str | None) -> None:
    assert code is None or refusal(sql, SAME) is None or "COLLATE" in sql
    found = refusal(sql, facts)
    assert (found.code if found is not None else None) == code


@pytest.mark.parametrize(
    ("sql", "part"),
    [
        ("SELECT max(name) FROM t GROUP BY n HAVING max(name) > 'a'", 'HAVING MAX("t"."name" COLLATE "C") COLLATE "C" > \'a\''),
        (
            "SELECT rank() OVER (PARTITION BY name ORDER BY name, n) FROM t",
            'PARTITION BY "t"."name" ORDER BY "t"."name" COLLATE "C", "t"."n")',
        ),
        ("SELECT id FROM t WHERE name > ALL (SELECT code FROM t)", '"t"."name" COLLATE "C" > ALL'),
        ("SELECT string_agg(name, ',' ORDER BY name DESC) FROM t", '\',\' ORDER BY "t"."name" COLLATE "C" DESC)'),
        ("SELECT array_agg(DISTINCT name ORDER BY name) FROM t", 'DISTINCT "t"."name" COLLATE "C" ORDER BY "t"."name" COLLATE "C")'),
        (
            "SELECT string_agg(DISTINCT code, ',' ORDER BY code) FROM t",
            'DISTINCT CAST("t"."code" AS TEXT) COLLATE "C", \',\' ORDER BY CAST("t"."code" AS TEXT) COLLATE "C"',
        ),
        ("SELECT substring(name FROM 2 FOR 3) FROM t", 'SUBSTRING("t"."name" FROM 2 FOR 3)'),
        ("SELECT name FROM t UNION SELECT code FROM t ORDER BY 1 LIMIT 2", 'AS "q"("c0") ORDER BY "q"."c0" COLLATE "C" LIMIT 2'),
        ("SELECT q.n FROM (SELECT DISTINCT name, n FROM t ORDER BY 2, 1 OFFSET 5) q", 'ORDER BY "q"."c1", "q"."c0" COLLATE "C" OFFSET 5'),
        ("SELECT n::text FROM t ORDER BY n::text || name", 'ORDER BY (CAST("t"."n" AS TEXT) || "t"."name") COLLATE "C"'),
        ("SELECT id FROM t WHERE j ->> 'a' >= 'b'", 'WHERE ("t"."j" ->> \'a\') COLLATE "C" >= \'b\''),
        ("SELECT id FROM t WHERE to_char(d, 'YYYY') < name", 'TO_CHAR("t"."d", \'YYYY\') COLLATE "C" < "t"."name"'),
        ("SELECT id FROM t WHERE n > 1 AND amount BETWEEN 1 AND 2 ORDER BY n, d", 'ORDER BY "t"."n", "t"."d"'),
    ],
)
def test_every_order_of_texts_says_by_code_point(sql: str, part: str) -> None:
    assert part in told(sql, SWEDISH)


def test_one_collation_where_letters_and_order_meet() -> None:
    text = told("SELECT upper(name) FROM t WHERE upper(name) > 'A' AND name ~ 'x' ORDER BY lower(name)", SWEDISH)
    assert text.count("pg_c_utf8") == 6 and '"C"' not in text


def test_who_looks_at_the_time_zone() -> None:
    looks = "SELECT tz FROM t; SELECT ts::timestamptz FROM t; SELECT to_timestamp(name, 'X') FROM t"
    does_not = "SELECT d, ts::date FROM t; SELECT date_bin('1 hour', ts, ts) FROM t WHERE false"
    for sql in looks.split(";"):
        bound = bind(parse(sql), CATALOG)
        assert rewrites.looks_at_zone(remote_sql.annotated(bound.query, bound.tables))
    bound = bind(parse(does_not.split(";")[0]), CATALOG)
    assert not rewrites.looks_at_zone(remote_sql.annotated(bound.query, bound.tables))
