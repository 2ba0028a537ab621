"""What INSERT and TRUNCATE ask for."""

from __future__ import annotations

import pytest

from pools.compute.errors import StatementError
from pools.compute.writes.parsing import Insert, InsertRows, Truncate, batch, insert, truncate


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("INSERT INTO public.t(a, b) VALUES ($1, $2)", Insert("public", "t", ("a", "b"), rows=1)),
        ("INSERT INTO public.t(a, b) VALUES ($1, $2), ($3, $4)", Insert("public", "t", ("a", "b"), rows=2)),
        ('insert into "My S"."t;"(a) values ($1), ($2), ($3)', Insert("My S", "t;", ("a",), rows=3)),
        ("INSERT INTO t(a, b) VALUES ($2, $1)", Insert(None, "t", ("a", "b"), query="VALUES ($2, $1)")),
        ("INSERT INTO t(a, b) VALUES ($1, 5)", Insert(None, "t", ("a", "b"), query="VALUES ($1, 5)")),
        ("INSERT INTO t(a) VALUES ($1::int)", Insert(None, "t", ("a",), query="VALUES ($1::int)")),
        ("INSERT INTO t VALUES (1, now())", Insert(None, "t", (), query="VALUES (1, now())")),
        (
            "INSERT INTO t VALUES (1, 'a''b'), (-2.5, NULL)",
            InsertRows(Insert(None, "t", (), rows=2), (b"1", b"a'b", b"-2.5", None), 2),
        ),
        ("INSERT INTO t (SELECT 1)", Insert(None, "t", (), query="(SELECT 1)")),
        ("INSERT INTO s.t (a) SELECT x FROM u", Insert("s", "t", ("a",), query="SELECT x FROM u")),
    ],
)
def test_insert(sql: str, expected: Insert | InsertRows) -> None:
    assert insert(sql) == expected


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("INSERT INTO t(a) VALUES ($1) RETURNING a", "0A000"),
        ("INSERT INTO t(a) VALUES ($1) ON CONFLICT DO NOTHING", "0A000"),
        ("INSERT INTO t DEFAULT VALUES", "0A000"),
        ("INSERT t VALUES (1)", "42601"),
        ("INSERT INTO t", "42601"),
    ],
)
def test_what_is_refused(sql: str, code: str) -> None:
    with pytest.raises(StatementError) as raised:
        insert(sql)
    assert raised.value.code == code


@pytest.mark.parametrize(
    ("sql", "tables"),
    [
        ("TRUNCATE public.t", (("public", "t"),)),
        ("TRUNCATE TABLE ONLY s.t, u CONTINUE IDENTITY RESTRICT", (("s", "t"), (None, "u"))),
    ],
)
def test_truncate(sql: str, tables: tuple[tuple[str | None, str], ...]) -> None:
    assert truncate(sql) == Truncate(tables)
    with pytest.raises(StatementError):
        truncate(sql.removesuffix(" CONTINUE IDENTITY RESTRICT") + " CASCADE")


def text_of(rows: int, width: int = 2, table: str = 's."t x"(a, "b")') -> str:
    row = [f"({', '.join(f'${row * width + place + 1}' for place in range(width))})" for row in range(rows)]
    return f"INSERT INTO {table} VALUES {', '.join(row)}"


def test_batches_of_the_master_are_read_without_tokens() -> None:
    sql = text_of(500)
    assert batch(sql) == insert(sql) == Insert("s", "t x", ("a", "b"), rows=500)


@pytest.mark.parametrize(
    "sql",
    [
        text_of(2),
        text_of(500) + ", ($1, $2)",
        text_of(500) + " ON CONFLICT DO NOTHING",
        text_of(500) + " RETURNING a",
        text_of(500).replace("$8)", "$9)"),
        text_of(500, 3),
        text_of(500, table="s.t"),
        "SELECT " + text_of(500),
        "INSERT INTO s.t(a) SELECT ' VALUES ($1" + "x" * 3000 + "'",
    ],
)
def test_other_texts_are_no_batches(sql: str) -> None:
    assert batch(sql) is None
