"""Random queries over the small tables: whatever sources take, the rows are those of plain PostgreSQL."""

from __future__ import annotations

from collections import Counter

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.virtualization.conftest import MODES, TABLES, lab_of
from virtualization.errors import VirtualizationError

INTEGERS = {"integer", "bigint"}
NAMES = ("orders", "customer", "visits", "pages", "empty")
Columns = list[tuple[str, str]]  # (qualified name, type)


@st.composite
def values(draw: st.DrawFn, of: str) -> str:
    """A constant of a type, in one of the ways in which people and postgres_fdw write it."""
    if of in INTEGERS:
        number = draw(st.integers(-1, 9))
        return draw(st.sampled_from([str(number), f"({number})::{of}", f"'{number}'"]))
    if of == "text":
        text = draw(st.sampled_from(["a", "A", "x", "r1", "ann", "a%b", ""]))
        return draw(st.sampled_from([f"'{text}'", f"'{text}'::text"]))
    if of == "date":
        return draw(st.sampled_from(["'2024-02-01'", "'2024-01-01'::date", "date '2024-03-05'"]))
    return draw(st.sampled_from(["10", "20.00", "0.5", "5::numeric"])) if of.startswith("numeric") else draw(st.sampled_from(["1.5", "0"]))


@st.composite
def predicates(draw: st.DrawFn, columns: Columns, depth: int = 2) -> str:
    kind = draw(
        st.sampled_from(["compare", "compare", "null", "in", "columns", "like", "not", "and", "or", "case", "coalesce", "subquery"])
    )
    if kind in ("and", "or", "not") and depth:
        left = draw(predicates(columns, depth - 1))
        if kind == "not":
            return f"NOT ({left})"
        return f"({left}) {kind.upper()} ({draw(predicates(columns, depth - 1))})"
    name, of = draw(st.sampled_from(columns))
    if kind == "null":
        return f"{name} IS {draw(st.sampled_from(['', 'NOT ']))}NULL"
    if kind == "in":
        items = ", ".join(draw(st.lists(values(of), min_size=1, max_size=3)))
        return f"{name} {draw(st.sampled_from(['', 'NOT ']))}IN ({items})"
    if kind == "like" and of == "text":
        return f"{name} LIKE {draw(st.sampled_from(['$$a%$$', chr(39) + '%b' + chr(39), chr(39) + 'a_b' + chr(39)]))}"
    if kind == "case":
        otherwise = draw(st.sampled_from(["NULL", "false", "true"]))
        return f"CASE WHEN {name} = {draw(values(of))} THEN true WHEN {name} IS NULL THEN {otherwise} END"
    if kind == "coalesce":
        return f"coalesce({name} <> {draw(values(of))}, {draw(st.sampled_from(['true', 'false']))})"
    if kind == "subquery" and depth:
        return draw(subquery_predicates(columns))
    if kind == "columns":
        same = [other for other, other_of in columns if other_of in INTEGERS] if of in INTEGERS else [o for o, t in columns if t == of]
        return f"{name} {draw(st.sampled_from(['=', '<', '<>', 'IS DISTINCT FROM']))} {draw(st.sampled_from(same))}"
    return f"{name} {draw(st.sampled_from(['=', '<', '>=', '<>', 'IS DISTINCT FROM']))} {draw(values(of))}"


@st.composite
def subquery_predicates(draw: st.DrawFn, columns: Columns) -> str:
    outer = [name for name, of in columns if of in INTEGERS]
    table = draw(st.sampled_from(["orders", "customer", "visits", "empty"]))
    inner = [f"sq.{c}" for c, of in TABLES[table][1].items() if of in INTEGERS]
    if not outer:
        return f"EXISTS (SELECT 1 FROM {table} sq WHERE {inner[0]} > 1)"
    name, column = draw(st.sampled_from(outer)), draw(st.sampled_from(inner))
    return draw(
        st.sampled_from(
            [
                f"{name} IN (SELECT {column} FROM {table} sq)",
                f"{name} NOT IN (SELECT {column} FROM {table} sq WHERE {inner[0]} > 2)",
                f"EXISTS (SELECT 1 FROM {table} sq WHERE {column} = {name})",
                f"NOT EXISTS (SELECT {column} FROM {table} sq WHERE {column} = {name} AND {inner[0]} < 4)",
                f"{name} = (SELECT max({column}) FROM {table} sq)",
                f"{name} >= (SELECT count(*) FROM {table} sq WHERE {column} = {name})",
            ]
        )
    )


@st.composite
def items(draw: st.DrawFn, alias: str) -> tuple[str, Columns]:
    """One item of FROM and its columns."""
    table = draw(st.sampled_from(NAMES))
    columns: Columns = [(f'{alias}."{c}"', of) for c, of in TABLES[table][1].items()]
    kind = draw(st.sampled_from(["table"] * 4 + ["derived", "grouped", "limited"]))
    if kind == "table":
        return f"{table} {alias}", columns
    inner = [(f'i."{c}"', of) for c, of in TABLES[table][1].items()]
    if kind == "derived":
        where = f" WHERE {draw(predicates(inner, 1))}" if draw(st.booleans()) else ""
        return f"(SELECT * FROM {table} i{where}) {alias}", columns
    key, of = inner[0]
    if kind == "grouped":
        name = key.split(".")[1].strip('"')
        return f"(SELECT {key}, count(*) AS k FROM {table} i GROUP BY {key}) {alias}", [(f'{alias}."{name}"', of), (f"{alias}.k", "bigint")]
    order = ", ".join(name for name, _ in inner)
    return f"(SELECT * FROM {table} i ORDER BY {order} LIMIT 3) {alias}", columns


@st.composite
def joins(draw: st.DrawFn) -> tuple[str, Columns]:
    text, columns = draw(items("t0"))
    for number in range(1, draw(st.integers(1, 4))):
        right, more = draw(items(f"t{number}"))
        kind = draw(st.sampled_from(["JOIN", "JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "CROSS JOIN"]))
        if kind == "CROSS JOIN":
            text, columns = f"{text} CROSS JOIN {right}", columns + more
            continue
        a = [name for name, of in columns if of in INTEGERS] or ["1"]
        b = [name for name, of in more if of in INTEGERS] or ["1"]
        on = f"{draw(st.sampled_from(a))} = {draw(st.sampled_from(b))}"
        if kind != "FULL JOIN" and draw(st.booleans()):  # PostgreSQL needs mergeable conditions for FULL
            on += f" AND ({draw(predicates(columns + more, 1))})"
        bracketed = draw(st.booleans()) and number > 1
        text = f"({text}) {kind} {right} ON {on}" if bracketed else f"{text} {kind} {right} ON {on}"
        columns = columns + more
    return text, columns


@st.composite
def selects(draw: st.DrawFn) -> str:
    from_, columns = draw(joins())
    where = f" WHERE {draw(predicates(columns))}" if draw(st.booleans()) else ""
    shown = draw(st.lists(st.sampled_from([name for name, _ in columns]), min_size=1, max_size=3))
    kind = draw(st.sampled_from(["plain", "plain", "distinct", "grouped", "aggregate", "window", "star", "top"]))
    if kind == "star":
        return f"SELECT * FROM {from_}{where}"
    if kind == "aggregate":
        return f"SELECT count(*), count({shown[0]}), min({shown[-1]}) FROM {from_}{where}"
    if kind == "grouped":
        keys = ", ".join(str(n + 1) for n in range(len(shown)))
        having = draw(st.sampled_from(["", " HAVING count(*) > 1"]))
        return f"SELECT {', '.join(shown)}, count(*), max({shown[0]}) FROM {from_}{where} GROUP BY {keys}{having}"
    if kind == "window":
        return f"SELECT {', '.join(shown)}, count(*) OVER (PARTITION BY {shown[0]}) FROM {from_}{where}"
    if kind == "top":
        everything = ", ".join(name for name, _ in columns)
        limit, offset = draw(st.integers(0, 5)), draw(st.integers(0, 2))
        return f"SELECT {', '.join(shown)} FROM {from_}{where} ORDER BY {everything} LIMIT {limit} OFFSET {offset}"
    return f"SELECT {'DISTINCT ' if kind == 'distinct' else ''}{', '.join(shown)} FROM {from_}{where}"


@st.composite
def statements(draw: st.DrawFn) -> str:
    kind = draw(st.sampled_from(["select"] * 4 + ["cte", "derived", "set"]))
    if kind == "cte":
        ctes = f"c AS (SELECT id, cust FROM orders), d AS ({draw(selects())})"
        return f"WITH {ctes} SELECT count(*), count(a.id) FROM d, c a LEFT JOIN c b ON a.id = b.cust"
    if kind == "derived":
        return f"SELECT count(*) FROM ({draw(selects())}) q"
    if kind == "set":
        operator = draw(st.sampled_from(["UNION", "UNION ALL", "EXCEPT", "INTERSECT"]))
        left, right = draw(st.sampled_from(["id", "cust", "NULL"])), draw(st.sampled_from(["n", "id", "cust"]))
        where = draw(predicates([("visits.id", "integer"), ("visits.page", "text")]))
        return f"SELECT {left} FROM orders {operator} SELECT {right} FROM visits WHERE {where}"
    return draw(selects())


@pytest.mark.parametrize("mode", MODES)
def test_random_queries(database: psycopg.Connection, mode: str) -> None:
    lab = lab_of(database, mode)

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None, derandomize=DERANDOMIZE)
    @given(statements())
    def same(sql: str) -> None:
        try:
            expected = lab.plain(sql)
        except psycopg.Error:
            return  # not a query
        try:
            actual = lab.rows(sql)
        except VirtualizationError as error:
            raise AssertionError(f"{error.message} {error.hint}\n{sql}") from error
        assert Counter(actual) == Counter(expected), f"{sql}\nresidual {lab.residual(sql)}\nfragments {lab.texts(sql)}"

    same()


EXAMPLES = 60
DERANDOMIZE = True
