"""``bdc.alter_data_table`` with rows there: what readers, writers and loads under way see of it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from psycopg import errors

from tests.services.data_pool import DataPool, refusal

_NUMBERS = itertools.count()
COLUMNS = [
    {"name": "id", "type": "bigint", "nullable": False},
    {"name": "small", "type": "smallint"},
    {"name": "price", "type": "numeric(6,2)"},
    {"name": "code", "type": "character varying(3)"},
    {"name": "ratio", "type": "real"},
]
Session = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture
def session(data_pool: DataPool) -> Iterator[Session]:
    with data_pool.connect("admin") as connection:
        yield connection


@pytest.fixture
def table(session: Session) -> str:
    """Two rows, one on each shard perhaps."""
    name = f"public.altered{next(_NUMBERS)}"
    session.execute("CALL bdc.create_data_table(%s, %s::jsonb, 'HASH(id)', '{id}')", [name, json.dumps(COLUMNS)])
    session.execute(f"INSERT INTO {name} VALUES (1, 10, 1.50, 'abc', 0.5), (2, NULL, 2.50, NULL, 2)")
    return name


def alter(session: Session, table: str, **change: object) -> None:
    session.execute("CALL bdc.alter_data_table(%s, %s::jsonb)", [table, json.dumps(change)])


def rows(session: Session, table: str, columns: str = "*") -> list[tuple[Any, ...]]:
    return session.execute(f"SELECT {columns} FROM {table} ORDER BY id").fetchall()


def test_added_columns(session: Session, table: str) -> None:
    alter(session, table, add={"name": "note", "type": "text"})
    alter(session, table, add={"name": "state", "type": "integer", "nullable": False, "default": "7"})
    assert rows(session, table, "id, note, state") == [(1, None, 7), (2, None, 7)]
    session.execute(f"INSERT INTO {table}(id, state) VALUES (3, 8)")
    assert session.execute(f"UPDATE {table} SET note = 'n' || code, state = state + 1 WHERE state = 7").rowcount == 2
    assert rows(session, table, "id, note, state") == [(1, "nabc", 8), (2, None, 8), (3, None, 8)]
    with pytest.raises(errors.NotNullViolation):
        session.execute(f"INSERT INTO {table}(id, state) VALUES (4, NULL)")
    assert session.execute(f"DELETE FROM {table} WHERE state = 8 AND note IS NULL").rowcount == 2


DEFAULTS = {
    "text": "it's \\ n/a",
    "bytea": "\\x00ff",
    "date": "2024-02-29",
    "boolean": "true",
    "numeric(6,2)": "-1.50",
    "jsonb": '{"a": "b"}',
}


def test_defaults_of_all_kinds(data_pool: DataPool, session: Session, table: str) -> None:
    for number, (of, value) in enumerate(DEFAULTS.items()):
        alter(session, table, add={"name": f"d{number}", "type": of, "default": value})
    client = data_pool.client("admin")
    load = client.ask("begin", {"table": table, "mode": "append"})
    winner = client.put(load, {0: pa.table({"id": pa.array([3], pa.int64())})})
    client.ask("commit", {"load": load["load"], "winners": [winner]})
    client.close()
    for number, (of, value) in enumerate(DEFAULTS.items()):
        wrong = session.execute(f"SELECT id FROM (SELECT * FROM {table} OFFSET 0) AS t WHERE d{number} IS DISTINCT FROM %s::{of}", [value])
        assert wrong.fetchall() == [], of


def test_a_dropped_column_does_not_come_back_with_its_name(session: Session, table: str) -> None:
    alter(session, table, drop="price")
    assert rows(session, table) == [(1, 10, "abc", 0.5), (2, None, None, 2.0)]
    session.execute(f"INSERT INTO {table} VALUES (3, 1, 'x', 1)")
    alter(session, table, add={"name": "price", "type": "text"})
    assert rows(session, table, "id, price") == [(1, None), (2, None), (3, None)]
    session.execute(f"UPDATE {table} SET price = 'free' WHERE id = 1")
    assert rows(session, table, "id, price, code") == [(1, "free", "abc"), (2, None, None), (3, None, "x")]


def test_renamed_columns(session: Session, table: str) -> None:
    alter(session, table, rename="small", to="Little One")
    alter(session, table, rename="id", to="number")
    alter(session, table, rename="number", to="id")
    assert rows(session, table, 'id, "Little One"') == [(1, 10), (2, None)]
    session.execute(f'UPDATE {table} SET "Little One" = "Little One" + 1')
    with pytest.raises(errors.UniqueViolation):
        session.execute(f"INSERT INTO {table}(id) VALUES (2)")
    assert rows(session, table, 'id, "Little One"') == [(1, 11), (2, None)]


def test_widened_columns(session: Session, table: str) -> None:
    for name, of in (("small", "bigint"), ("price", "numeric(12,2)"), ("code", "text"), ("ratio", "double precision")):
        alter(session, table, widen=name, type=of)
    assert rows(session, table) == [(1, 10, pytest.approx(1.5), "abc", 0.5), (2, None, pytest.approx(2.5), None, 2.0)]
    session.execute(f"INSERT INTO {table} VALUES (3, 5000000000, 1234567890.25, 'a longer one', 0.1)")
    assert session.execute(f"SELECT small, price::text, code, ratio FROM {table} WHERE id = 3").fetchone() == (
        5_000_000_000, "1234567890.25", "a longer one", 0.1,
    )  # fmt: skip
    assert session.execute(f"UPDATE {table} SET small = small * 1000000000 WHERE id = 1").rowcount == 1
    assert session.execute(f"SELECT sum(small) FROM {table}").fetchone() == (15_000_000_000,)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"drop": "id"}, errors.FeatureNotSupported),
        ({"drop": "nothing"}, errors.UndefinedColumn),
        ({"widen": "price", "type": "numeric(4,2)"}, errors.FeatureNotSupported),
        ({"widen": "code", "type": "integer"}, errors.FeatureNotSupported),
        ({"rename": "code", "to": "price"}, errors.DuplicateColumn),
        ({"add": {"name": "id", "type": "text"}}, errors.DuplicateColumn),
        ({"add": {"name": "strict", "type": "text", "nullable": False}}, errors.NotNullViolation),
        ({"add": {"name": "odd", "type": "integer", "default": "many"}}, psycopg.DataError),
        ({"forget": "code"}, errors.InvalidParameterValue),
    ],
)
def test_what_is_refused(session: Session, table: str, change: dict[str, object], error: type[psycopg.Error]) -> None:
    with pytest.raises(error):
        alter(session, table, **change)
    assert len(rows(session, table)[0]) == len(COLUMNS)


@pytest.mark.parametrize("change", [{"add": {"name": "note", "type": "text"}}, {"drop": "code"}, {"rename": "code", "to": "word"}])
def test_loads_under_way_are_refused(data_pool: DataPool, session: Session, table: str, change: dict[str, object]) -> None:
    client = data_pool.client("admin")
    load = client.ask("begin", {"table": table, "mode": "append"})
    alter(session, table, **change)
    with pytest.raises(Exception) as refused:
        client.ask("commit", {"load": load["load"], "winners": []})
    said = refusal(refused.value)
    assert (said["sqlstate"], "was altered during the load" in said["message"]) == ("40001", True)
    client.close()
    assert len(rows(session, table)) == 2
