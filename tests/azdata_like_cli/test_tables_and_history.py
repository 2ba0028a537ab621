"""``bdc table refresh`` and ``bdc sql history|explain`` against a real master; the compute pool is tests/pools/master's stand-in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from tests.azdata_like_cli.administrator import USER, admin
from tests.azdata_like_cli.conftest import Run
from tests.pools.master.conftest import Master, database, master

__all__ = ["admin", "database", "master"]  # fixtures

pytestmark = pytest.mark.service
Admin = Callable[[], psycopg.Connection]
SOURCE = {"name": "crm", "connector": "postgresql", "location": "postgresql://db:5432/crm", "options": {}, "credential": {}}


@pytest.fixture
def tables(bdc: Run, admin: Admin, master: Master, database: str) -> Callable[..., None]:
    """Virtual tables house and other over source crm; call it to say what the source has by now."""
    with admin() as connection:
        connection.execute("CALL bdc.create_data_source('crm', 'postgresql', 'postgresql://db:5432/crm')")

    def has(*columns: tuple[str, str]) -> None:
        found = {"columns": [{"name": name, "type": kind} for name, kind in columns], "options": {}, "rows": 5, "unmapped": []}
        for table in ("house", "other"):
            request = {"action": "detect", "source": SOURCE, "location": f"public.{table}", "options": {}, "user": USER}
            master.pool.answer(database, request, found)

    has(("id", "integer"), ("note", "text"))
    for table in ("house", "other"):
        made = bdc("table", "create", table, "-s", "crm", "-l", f"public.{table}")
        assert made.code == 0, made.err
    return has


def changed(bdc: Run) -> list[Any]:
    return [row["drift"] for row in bdc("table", "list", "-o", "json").json]


def test_refresh_shows_changes_and_takes_them_over_when_asked(bdc: Run, tables: Callable[..., None]) -> None:
    assert bdc("table", "refresh", "house").out == "house is up to date.\n"
    assert "Changed" not in bdc("table", "list").out
    tables(("id", "bigint"), ("remark", "text"))
    shown = bdc("table", "refresh", "house")
    assert shown.code == 0
    for part in ("id: integer, now bigint", "gone: note text  (not taken over)", "new:  remark text", "bdc table refresh house --columns"):
        assert part in shown.out
    assert [len(drift) for drift in changed(bdc)] == [3, 0]
    assert "gone: note text" in bdc("table", "list").out
    taken = bdc("table", "refresh", "house", "--columns", "-o", "json").json
    assert taken["table"] == "house" and all(change["applied"] for change in taken["changes"])
    assert changed(bdc) == [[], []]
    columns = bdc("table", "describe", "house", "-o", "json").json["columns"]
    assert [(column["name"], column["type"]) for column in columns] == [("id", "bigint"), ("remark", "text")]


def test_all_tables_are_refreshed_and_what_fails_is_told(bdc: Run, tables: Callable[..., None], admin: Admin) -> None:
    tables(("id", "integer"))
    with admin() as connection:
        connection.execute("CREATE VIEW needs AS SELECT note FROM house")
    done = bdc("table", "refresh", "--all", "--columns", "--source", "crm")
    assert done.code == 1
    assert "house: FAILED: " in done.out and "other: 1 column changed" in done.out
    assert bdc("table", "refresh", "--all", "--source", "nothing").out == "There is no virtual table to refresh.\n"
    for words in (("house", "--all"), (), ("house", "--source", "crm")):
        assert bdc("table", "refresh", *words).code == 2


def test_tables_are_analyzed_and_what_fails_is_told(bdc: Run, tables: Callable[..., None], master: Master, database: str) -> None:
    columns = [{"name": name, "type": kind, "nullable": True, "remote": name} for name, kind in (("id", "integer"), ("note", "text"))]
    table = {"schema": "public", "name": "house", "source": "crm", "location": "public.house", "columns": columns, "options": {}}
    request = {"action": "analyze", "source": SOURCE, "user": USER, "sample": 30_000, "table": table}
    master.pool.answer(database, request, {"rows": 7000, "statistics": {}, "sampled": {"id": [-1, 0, 4, None, None]}})
    assert bdc("table", "analyze", "house").out.startswith("house: about 7,000 rows, 1 column known, ")
    listed = bdc("table", "list", "-o", "json").json
    assert [(row["rows"], row["statistics_age"] is None) for row in listed] == [(7000, False), (5, False)]
    done = bdc("table", "analyze", "--all", "--source", "crm")
    assert done.code == 1 and "house: about 7,000 rows" in done.out and "other: FAILED: " in done.out
    assert bdc("table", "describe", "house", "-o", "json").json["analyzed_at"]
    assert bdc("table", "analyze").code == 2


def test_columns_given_by_hand_stay(bdc: Run, tables: Callable[..., None]) -> None:
    given = bdc("table", "create", "mine", "-s", "crm", "-l", "public.house", "--column", "id bigint", "--column", "note text")
    assert given.code == 0, given.err
    tables(("id", "integer"), ("extra", "date"))
    shown = bdc("table", "refresh", "mine", "--columns", "-o", "json").json
    assert [(change["column"], change["change"], change["applied"]) for change in shown["changes"]] == [("note", "gone", False)]


def entry(number: int, **more: object) -> dict[str, object]:
    known = {
        "id": str(number), "user": USER, "database": "d", "started": f"2026-11-22T01:00:0{number}+00:00", "milliseconds": 12.5,
        "sql": f"SELECT {number}\n FROM t", "state": "done", "code": None, "message": None, "executor": "duckdb", "rows": 1, "bytes": 8,
        "rows_moved": 10, "bytes_moved": 80, "rows_avoidable": 9, "bytes_avoidable": 72, "reasons": ["not_on_list"], "fragments": [],
    }  # fmt: skip
    return known | more


def test_history_is_sorted_and_cut(bdc: Run, admin: Admin, master: Master, database: str) -> None:
    failed = entry(3, state="failed", code="57014", message="canceling statement", bytes_avoidable=0, bytes_moved=0)
    more = entry(2, bytes_moved=8000, bytes_avoidable=7000, reasons=["text_order", "window"])
    master.pool.answer(database, {"action": "history", "user": USER}, entry(1), more, failed, entry(4, user="somebody"))

    def ids(*words: str) -> list[str]:
        return [row["id"] for row in bdc("sql", "history", *words, "-o", "json").json]

    assert ids() == ["4", "3", "2", "1"]
    assert ids("--top", "bytes", "--limit", "1") == ids("--top", "avoidable", "--limit", "1") == ["2"]
    assert ids("--failed") == ["3"]
    shown = bdc("sql", "history").out
    assert "57014 canceling statement" in shown and "text_order, window" in shown and "SELECT 1 FROM t" in shown


def test_explain_says_what_the_master_kept(bdc: Run, tables: Callable[..., None], master: Master, database: str) -> None:
    request = {"action": "explain", "sql": "SELECT id, note FROM public.house", "user": USER}
    master.pool.answer(database, {**request, "format": "text"}, {"line": "Whole query at one source"})
    master.pool.answer(database, {**request, "format": "json"}, {"plan": {"rows": None}})
    text = bdc("sql", "explain", "SELECT id, note FROM house")
    assert text.code == 0 and "  Whole query at one source" in text.out
    document = bdc("sql", "explain", "SELECT id, note FROM house", "--format", "json")
    assert '"remote_sql": "SELECT id, note FROM public.house"' in document.out
