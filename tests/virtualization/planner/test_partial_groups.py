"""Groups below joins and unions: the same answers as in one step, and asked for only where they are right and pay."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pytest
import sqlglot

from tests.virtualization.planner.duckdb_sources import Sources
from virtualization.catalog import ColumnFacts, MemoryCatalog
from virtualization.plan import Counts, QueryContext
from virtualization.planner.partial_aggregates import Number, number

AGGREGATES = (
    "count(*)", "count(a.x)", "sum(a.x)", "sum(a.n)", "avg(a.x)", "avg(a.n)", "min(a.d)", "max(a.g)", "min(a.n)", "bool_or(a.ok)",
    "bool_and(a.ok)", "sum(CASE WHEN a.ok THEN 1 ELSE 0 END)", "sum(a.n * (1 - a.n))", "count(*) FILTER (WHERE a.x > 3)",
    "sum(a.n) FILTER (WHERE a.ok)", "avg(a.n) FILTER (WHERE a.g = 'u')", "sum(a.id)", "sum(-a.x)", "sum(coalesce(a.x, 0))",
)  # fmt: skip
OTHERS = (
    "sum(c.z)", "count(c.h)", "avg(c.m)", "max(c.h)", "min(c.m)", "sum(c.m)", "avg(c.z)", "sum(a.n) FILTER (WHERE c.z > 2)",
    "count(*) FILTER (WHERE c.h = 'v')", "sum(c.m) FILTER (WHERE c.z > 2)", "avg(a.x) FILTER (WHERE c.z > 4)",
)  # fmt: skip
JOINS = (
    "a JOIN c ON c.k = a.k", "c JOIN a ON a.k = c.k AND a.x > c.z", "a LEFT JOIN c ON c.k = a.k", "c RIGHT JOIN a ON a.k = c.k",
    "a JOIN b ON b.a = a.id JOIN c ON c.k = a.k", "c JOIN a ON a.k = c.k JOIN b ON b.a = a.id AND b.y > 3",
    "a JOIN c ON c.k = a.k JOIN b ON b.a = a.id LEFT JOIN e ON e.k = a.x", "a CROSS JOIN c", "c LEFT JOIN a ON a.k = c.k",
    "a FULL JOIN c ON a.k = c.k", "(SELECT k, h, z, m FROM c WHERE z > 2) AS c JOIN a ON a.k = c.k",
)  # fmt: skip
KEYS = ("c.h", "a.g", "a.g, c.h", "a.d", "c.z, a.k", "a.x + 1", "c.m", "")
WHERES = (
    "",
    "WHERE a.x > 2",
    "WHERE a.d >= date '2024-01-03' AND c.z < 7",
    "WHERE a.x > 100",
    "WHERE a.k IN (SELECT k FROM e WHERE x > 3)",
)
UNIONS = (
    "SELECT id, k, g, x, n, d, ok FROM a UNION ALL SELECT id, k, g, x, n, d, ok FROM e",
    "SELECT id, k, g, x * 1 AS x, n, d, ok FROM a WHERE x > 2 UNION ALL SELECT k::bigint, x, g, k * 1, n, d, NOT ok FROM e",
    "SELECT id, k, 'one' AS g, x, n, d, ok FROM a UNION ALL SELECT id, k, 'two', x, n, d, ok FROM e WHERE x > 100",
    "SELECT a.id, a.k, b.t AS g, a.x, a.n, a.d, a.ok FROM a JOIN b ON b.a = a.id UNION ALL SELECT id, k, g, x, n, d, ok FROM e",
)


@pytest.fixture(scope="module")
def sources() -> Iterator[Sources]:
    made = Sources()
    yield made
    made.close()


def plain(value: object) -> object:
    """Averages have more digits in one engine than in the other."""
    if isinstance(value, str) and value.replace(".", "").replace("-", "").isdigit():
        value = Decimal(value)
    return round(float(value), 6) if isinstance(value, float | int | Decimal) and not isinstance(value, bool) else value


def answers(sources: Sources, sql: str, catalog: MemoryCatalog) -> list[tuple[object, ...]]:
    result = sources.engine.run(sources.engine.plan(sql, catalog), QueryContext())
    try:
        rows = [tuple(row.values()) for batch in result for row in _renamed(batch).to_pylist()]
    finally:
        result.close()
    return sorted((tuple(map(plain, row)) for row in rows), key=repr)


def _renamed(batch: object) -> object:
    return batch.rename_columns([f"c{place}" for place in range(batch.num_columns)])  # type: ignore[attr-defined]


def expected(sources: Sources, sql: str) -> list[tuple[object, ...]]:
    rows = sources.connection.cursor().execute("SET search_path = 'public'").execute(sql).fetchall()
    return sorted((tuple(map(plain, row)) for row in rows), key=repr)


def statements(count: int, seed: int) -> Iterator[str]:
    pick = random.Random(seed)
    for _ in range(count):
        keys = pick.choice(KEYS)
        values = pick.sample([*AGGREGATES, *OTHERS], pick.randint(1, 4))
        having = pick.choice(["", "", " HAVING count(*) > 2", f" HAVING {values[0]} IS NOT NULL"]) if keys else ""
        group = f" GROUP BY {keys}" if keys else ""
        if pick.random() < 0.35:
            keys = keys.replace("c.h", "a.ok").replace("c.z", "a.x").replace("c.m", "a.n")
            values = pick.sample(AGGREGATES, pick.randint(1, 4))
            group = f" GROUP BY {keys}" if keys else ""
            yield f"SELECT {', '.join([*([keys] if keys else []), *values])} FROM ({pick.choice(UNIONS)}) AS a{group}"
        else:
            yield f"SELECT {', '.join([*([keys] if keys else []), *values])} FROM {pick.choice(JOINS)} {pick.choice(WHERES)}{group}{having}"


def test_random_statements(sources: Sources) -> None:
    catalog = sources.catalog(pushdown="forced")
    split = 0
    for sql in statements(100, 7):
        assert answers(sources, sql, catalog) == expected(sources, sql), sql
        split += any("GROUP BY" in text or "COUNT(*)" in text for text in pushed(sources, sql, catalog))
    assert split > 50


def pushed(sources: Sources, sql: str, catalog: MemoryCatalog) -> list[str]:
    return [fragment.text for fragment in sources.engine.plan(sql, catalog).fragments]


SQL = "SELECT c.h, sum(a.n) FROM a JOIN c ON c.k = a.k GROUP BY c.h"
FEW, MANY = {"a": {"k": ColumnFacts(8)}}, {"a": {"k": ColumnFacts(-1)}}


@pytest.mark.parametrize(
    ("facts", "session", "grouped"),
    [(FEW, "on", True), (MANY, "on", False), ({}, "on", False), ({}, "forced", True), (MANY, "forced", True), (FEW, "off", False)],
)
def test_groups_are_asked_for_where_that_is_less(
    sources: Sources, facts: dict[str, dict[str, ColumnFacts]], session: str, grouped: bool
) -> None:
    catalog = replace(sources.catalog(facts, rows=1e6), pushdown=session)
    plan = sources.engine.plan(SQL, catalog)
    assert any("GROUP BY" in fragment.text for fragment in plan.fragments) is grouped
    assert answers(sources, SQL, catalog) == expected(sources, SQL)


def test_explain_says_the_numbers() -> None:
    sources = Sources()  # nobody has measured its link
    explained = sources.engine.explain(SQL, sources.catalog(FEW, rows=1e6)).text()
    assert "groups are computed at one first: about 8 rows" in explained
    assert "instead of about 1,000,000 rows" in explained
    assert "link 200 MB/s, 1.0 ms, assumed" in explained


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT c.h, count(DISTINCT a.x) FROM a JOIN c ON c.k = a.k GROUP BY c.h",
        "SELECT c.h, sum(a.x * c.z) FROM a JOIN c ON c.k = a.k GROUP BY c.h",
        "SELECT c.h, sum(a.x) FILTER (WHERE a.x > c.z) FROM a JOIN c ON c.k = a.k GROUP BY c.h",
        "SELECT c.h, sum(a.x::double precision) FROM a JOIN c ON c.k = a.k GROUP BY c.h",
        "SELECT c.h, sum(a.x * a.x) FROM a JOIN c ON c.k = a.k GROUP BY c.h",  # overflows where the join drops the row
        "SELECT c.h, max(a.x / a.k) FROM a JOIN c ON c.k = a.k GROUP BY c.h",  # divides by zero there
        "SELECT c.h, sum(a.x) FROM c LEFT JOIN a ON a.k = c.k GROUP BY c.h",  # rows that are made up count
        "SELECT c.h, sum(a.x) FROM a CROSS JOIN c GROUP BY c.h",  # nothing to group by
        "SELECT sum(a.x) OVER () FROM a JOIN c ON c.k = a.k",
        "SELECT sum(x) FROM (SELECT x FROM a UNION SELECT x FROM e) u",
        "SELECT sum(x) FROM (SELECT x FROM a UNION ALL SELECT id FROM e) u",  # of two types
        "SELECT sum(x) FROM (SELECT x FROM a UNION ALL (SELECT x FROM e LIMIT 3)) u",
    ],
)
def test_what_is_not_split(sources: Sources, sql: str) -> None:
    plan = sources.engine.plan(sql, sources.catalog(pushdown="forced"))
    assert not any("GROUP BY" in fragment.text for fragment in plan.fragments if ("public", "a") in fragment.tables)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("1 - 0.25", Number(4, 2)),
        ("CASE WHEN true THEN 1 END", Number(1, 0, "integer")),
        ("CASE WHEN true THEN 1.50 ELSE 0 END", None),  # some groups would show 0, others 0.00
        ("2 * 3", None),  # overflows
        ("-(0.5 * 0.25)", Number(5, 3)),
        ("coalesce(1.5, 2.25)", None),
        ("random()", None),
    ],
)
def test_numbers_of_one_scale(sql: str, expected: Number | None) -> None:
    assert number(sqlglot.parse_one(sql, dialect="postgres")) == expected


def test_a_source_that_takes_no_groups_is_read_as_ever() -> None:
    made = Sources(takes={"one": False})
    try:
        assert answers(made, SQL, made.catalog(pushdown="forced")) == expected(made, SQL)
        assert not any("SUM" in text for text in pushed(made, SQL, made.catalog(pushdown="forced")))
    finally:
        made.close()


MULTIPLYING = "SELECT a.n, b.t FROM a JOIN b ON b.y = a.k"


@pytest.mark.parametrize(("distinct", "session", "fragments"), [(8, "on", 2), (8, "forced", 1), (-1, "on", 1), (None, "on", 1)])
def test_a_join_that_multiplies_rows_is_not_asked_for(sources: Sources, distinct: float | None, session: str, fragments: int) -> None:
    facts = {} if distinct is None else {"a": {"k": ColumnFacts(distinct)}, "b": {"y": ColumnFacts(distinct)}}
    catalog = replace(sources.catalog(facts, rows=1e6), pushdown=session)
    plan = sources.engine.plan(MULTIPLYING, catalog)
    assert len(plan.fragments) == fragments
    assert {kept.code for kept in plan.kept} == ({"cost"} if fragments > 1 else set())
    assert answers(sources, MULTIPLYING, catalog) == expected(sources, MULTIPLYING)


WIDE = "SELECT a.id, a.k, a.g, a.x, a.n, a.d, a.ok, b.t FROM a JOIN b ON b.a = a.id WHERE b.y < 100"


def wide(sources: Sources, session: str, keys: float) -> MemoryCatalog:
    """Many wide rows of ``a``, and some narrow ones of the larger ``b`` that name few of them."""
    facts = {"a": {"id": ColumnFacts(-1)}, "b": {"a": ColumnFacts(keys), "y": ColumnFacts(-1, 0, 8, "0", "1000")}}
    made = sources.catalog(facts, rows=2e5)
    larger = {key: replace(table, rows=1e6) if table.name == "b" else table for key, table in made.virtual_tables.items()}
    return replace(made, virtual_tables=larger, pushdown=session)


@pytest.mark.parametrize(
    ("measured", "session", "keys", "fragments"),
    [(True, "on", 500, 2), (True, "forced", 500, 1), (False, "on", 500, 1), (True, "on", 2e4, 1)],
)
def test_a_join_that_repeats_wide_rows_is_not_asked_for(measured: bool, session: str, keys: float, fragments: int) -> None:
    made = Sources()
    if measured:
        made.engine._links.learn("one", Counts(rows=1_000_000, bytes=100_000_000, milliseconds=1000))
    try:
        catalog = wide(made, session, keys)
        plan = made.engine.plan(WIDE, catalog)
        assert len(plan.fragments) == fragments
        assert {kept.code for kept in plan.kept} == ({"cost"} if fragments > 1 else set())
        assert answers(made, WIDE, catalog) == expected(made, WIDE)
    finally:
        made.close()


def test_groups_over_such_a_join_are_asked_for(sources: Sources) -> None:
    facts = {"a": {"k": ColumnFacts(8)}, "b": {"y": ColumnFacts(8)}}
    assert (
        len(sources.engine.plan("SELECT a.k, count(*) FROM a JOIN b ON b.y = a.k GROUP BY a.k", sources.catalog(facts, rows=1e6)).fragments)
        == 1
    )
