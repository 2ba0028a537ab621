"""bdc.explain: the master's plan as the caller may see it, then the pool's words for each remote SQL."""

from __future__ import annotations

import json

import pytest
from psycopg import errors

from tests.pools.master.conftest import Master


@pytest.fixture
def admin(people, master: Master, database: str):
    connection = people("ada", "admin")
    connection.execute("CALL bdc.create_data_source('legacy', 'postgresql', 'postgresql://db:5432/sales')")
    for table in ("one", "two"):
        connection.execute(
            "CALL bdc.create_virtual_table(%s, 'legacy', 'x', %s)", [table, '[{"name": "a", "type": "int"}, {"name": "b", "type": "text"}]']
        )
    for remote in ("SELECT a, b FROM public.one", "SELECT a FROM public.two"):
        request = {"action": "explain", "sql": remote, "user": "ada"}
        master.pool.answer(database, {**request, "format": "text"}, {"line": f"Fragment of {remote}"}, {"line": "  Remote text: …"})
        master.pool.answer(database, {**request, "format": "json"}, {"plan": {"sql": remote}})
    return connection


def test_text_names_every_remote_statement_once(admin) -> None:
    admin.execute("CREATE TABLE local (a int)")
    lines = [
        line
        for (line,) in admin.execute(
            "SELECT bdc.explain('SELECT one.b, local.a FROM one, local WHERE one.a < local.a UNION ALL SELECT b, a FROM one')"
        )
    ]
    assert lines[0] == "Master" and any("Seq Scan on public.local" in line for line in lines)
    remote = [line for line in lines if line.startswith("Compute pool: ")]
    assert remote == ["Compute pool: SELECT a, b FROM public.one"]
    assert lines[-2:] == ["  Fragment of SELECT a, b FROM public.one", "    Remote text: …"]


def test_json(admin) -> None:
    (text,) = admin.execute("SELECT bdc.explain('SELECT a, b FROM one', 'json')").fetchone()  # fmt: skip
    document = json.loads(text)
    assert document["master"]["Plan"]["Node Type"] == "Foreign Scan"
    assert document["remote"] == [{"remote_sql": "SELECT a, b FROM public.one", "pool": {"sql": "SELECT a, b FROM public.one"}}]


def test_a_local_query_asks_nobody(people) -> None:
    lines = [line for (line,) in people("uwe").execute("SELECT bdc.explain('SELECT 1')")]
    assert lines[0] == "Master" and "Result" in lines[1] and not any("pool" in line for line in lines)


def test_it_runs_as_its_caller(admin, people) -> None:
    user = people("uwe")
    with pytest.raises(errors.InsufficientPrivilege):
        user.execute("SELECT bdc.explain('SELECT a FROM one')")


@pytest.mark.parametrize("query", ["SELECT 1; DROP TABLE one", "ANALYZE SELECT 1", "", "nonsense"])
def test_what_is_no_query(admin, query: str) -> None:
    with pytest.raises((errors.SyntaxError, errors.InvalidCursorDefinition)):
        admin.execute("SELECT bdc.explain(%s)", [query])
    assert admin.execute("SELECT to_regclass('one') IS NOT NULL").fetchone() == (True,)


def test_unknown_format(admin) -> None:
    with pytest.raises(errors.InvalidParameterValue, match="neither text nor json"):
        admin.execute("SELECT bdc.explain('SELECT 1', 'yaml')")
