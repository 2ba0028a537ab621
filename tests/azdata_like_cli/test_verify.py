"""``bdc source verify``: portions become one report, and a difference the exit code. A stand-in answers for the pool."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from azdata_like_cli.groups import sourceverify
from tests.azdata_like_cli.conftest import Run

FINDING = {
    "number": 7, "side": "pushdown on", "what": "2 rows, 1 expected", "sql": "SELECT a FROM t WHERE b", "small": "SELECT a FROM t",
    "explain": "Whole query at one source", "time_zone": "Asia/Kathmandu",
}  # fmt: skip


def portion(queries: int, findings: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "seed": 5, "queries": queries, "differences": len(findings), "seconds": 1.0, "answers": {"same": 2 * queries}, "refused": {},
        "skipped": {}, "unsupported": {}, "sources": {"crm": queries, "lake": 1, "2 sources": 1}, "tables": {'"t"': 3}, "notes": [],
        "findings": findings,
    }  # fmt: skip


class Pool:
    """Four queries a portion; the second portion has ``findings``."""

    def __init__(self, findings: list[dict[str, Any]]) -> None:
        self.asked: list[tuple[object, ...]] = []
        self.findings = findings

    @contextmanager
    def connected(self, *_: object) -> Iterator[None]:
        yield

    def records(self, _: object, __: str, *arguments: Any) -> list[dict[str, object]]:
        self.asked.append(arguments)
        return [{"report": portion(min(4, arguments[1]), self.findings if len(self.asked) == 2 else [])}]


def asked(monkeypatch: pytest.MonkeyPatch, *findings: dict[str, Any]) -> Pool:
    pool = Pool(list(findings))
    monkeypatch.setattr(sourceverify, "connected", pool.connected)
    monkeypatch.setattr(sourceverify, "records", pool.records)
    return pool


def test_portions_become_one_report(bdc: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = asked(monkeypatch)
    done = bdc("source", "verify", "crm", "lake", "--queries", "10", "--seed", "5", "--table", "t")
    assert done.code == 0, done.err
    assert "seed 5" in done.err and "8 of 10 queries, 0 differences" in done.err
    assert "10 queries in 3 s (seed 5): 0 differences" in done.out and "By source: crm 10, lake 3, 2 sources 3" in done.out
    assert [(one[0], one[1], one[3], one[6], one[7]) for one in pool.asked] == [
        ("crm", 10, 0, ["lake"], ["t"]),
        ("crm", 6, 4, ["lake"], ["t"]),
        ("crm", 2, 8, ["lake"], ["t"]),
    ]


def test_a_difference_ends_it_with_1_and_is_shown_whole(bdc: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = asked(monkeypatch, FINDING)
    done = bdc("source", "verify", "crm", "--queries", "100", "--seed", "5")
    assert done.code == 1 and len(pool.asked) == 2
    for text in (
        "number 7, pushdown on, time zone Asia/Kathmandu: 2 rows, 1 expected",
        "SELECT a FROM t;",
        "found as: SELECT a FROM t WHERE b;",
    ):
        assert text in done.out, done.out
    asked(monkeypatch, FINDING)
    assert bdc("source", "verify", "crm", "--seed", "5", "-o", "json").json["findings"] == [FINDING]


def test_mistakes_of_the_command_line(bdc: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked(monkeypatch)
    assert bdc("source", "verify").code == 2
    assert bdc("source", "verify", "crm", "--queries", "0").code == 2
    assert bdc("source", "verify", "crm", "--rows", "99999").code == 2
