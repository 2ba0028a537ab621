"""The history of queries by itself: what is kept, what a file outlives, what is counted as avoidable."""

from __future__ import annotations

import pathlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlglot import exp

from pools.compute.errors import CancelRequestedError
from pools.compute.history import SQL_CHARACTERS, History, entry
from pools.compute.queries import Origin, Query
from tests.pools.compute.standin import Text
from virtualization.errors import SqlError
from virtualization.plan import Counts, Kept, Plan, QueryContext

ORIGIN = Origin("alice", "sales", "session 1")
FRAGMENTS = (Text("crm", (), "SELECT 1", (("public", "a"),)), Text("web", (), "SELECT 2", (("public", "b"),)))


def query(number: int, sql: str = "SELECT 1") -> Query:
    return Query(number, ORIGIN, sql, QueryContext(user="alice"), ThreadPoolExecutor())


def ids(history: History) -> list[str]:
    return [one["id"] for one in history.entries()]


def test_the_last_ones_are_kept_in_order() -> None:
    history = History(3)
    for number in range(10):
        history.note(query(number))
    assert ids(history) == ["7", "8", "9"]
    unrecorded = query(10)
    unrecorded.recorded = False
    history.note(unrecorded)
    assert ids(history) == ["7", "8", "9"]
    nothing = History(0)
    nothing.note(query(1))
    assert nothing.entries() == []


def test_a_file_outlives_the_process_and_stays_small(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "history.jsonl"
    history = History(5, file)
    for number in range(40):
        history.note(query(number))
        history.settle()
        assert len(file.read_text().splitlines()) <= 10
    assert file.stat().st_mode & 0o777 == 0o600
    assert ids(History(5, file)) == ["35", "36", "37", "38", "39"]
    assert ids(History(2, file)) == ["38", "39"]
    fewer = tmp_path / "fewer.jsonl"
    fewer.write_text('{"id": "1"}\n{"id": "2", "us')
    again = History(5, fewer)
    assert ids(again) == ["1"]
    again.note(query(3))
    assert ids(again) == ["1", "3"]
    assert ids(History(5, fewer)) == ["1", "3"]


def test_a_folder_that_can_not_be_written_loses_nothing_in_memory(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    history = History(5, tmp_path / "gone" / "history.jsonl")
    history.note(query(1))
    assert ids(history) == ["1"]
    assert "not written down" in capsys.readouterr().out


def test_what_moved_beyond_the_answer_has_its_reasons() -> None:
    one = query(1)
    kept = (Kept("a = b", "several_sources", "why"), Kept("c", "text_order", "why"), Kept("d", "text_order", "other"))
    one.plan = Plan("SELECT 1", FRAGMENTS, exp.select("1"), "duckdb", None, kept)
    one.context.moved = (Counts(100, 800, 1.5, 1), Counts())
    one.context.answered = Counts(10, 900)
    told = entry(one)
    assert (told["rows_moved"], told["bytes_moved"], told["rows_avoidable"], told["bytes_avoidable"]) == (100, 800, 90, 0)
    assert told["reasons"] == ["several_sources", "text_order"] and told["executor"] == "duckdb"
    assert [fragment["rows"] for fragment in told["fragments"]] == [100, None]
    one.plan = Plan("SELECT 1", FRAGMENTS[:1], None, None, None)
    one.context.moved = (Counts(100, 800, 1.5, 1),)
    whole = entry(one)
    assert (whole["rows_avoidable"], whole["bytes_avoidable"], whole["reasons"]) == (0, 0, [])


def test_how_it_ended() -> None:
    done, left, failed, cancelled = (query(number, "x" * (SQL_CHARACTERS + 5)) for number in range(4))
    left.left = True
    failed.failed(SqlError("no such thing"))
    cancelled.failed(SqlError("what an engine says when it is interrupted"))
    cancelled.cancel(CancelRequestedError("canceling statement"))
    told = [entry(one) for one in (done, left, failed, cancelled)]
    assert [(one["state"], one["code"]) for one in told] == [("done", None), ("left", None), ("failed", "42601"), ("failed", "57014")]
    assert told[3]["message"] == "canceling statement" and len(told[0]["sql"]) == SQL_CHARACTERS
