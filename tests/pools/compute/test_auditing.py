"""What a replica says of queries in its audit trail, without a cluster: tests/cluster/test_audit.py sees the whole."""

from __future__ import annotations

import asyncio
import pathlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pools.audit import Trail
from pools.audit_reading import Wanted, found
from pools.compute.auditing import Auditing, shape_digest
from pools.compute.catalogs import Identity
from pools.compute.clients import Clients
from pools.compute.errors import AuthenticationError, StatementError
from pools.compute.queries import Origin, Query
from virtualization.plan import QueryContext

SECRET = "a-constant-that-is-secret"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("SELECT a FROM t WHERE b = 'x'", "select  a\nfrom t -- why\nwhere b='y'", True),
        ("SELECT a FROM t WHERE b = 1", "SELECT a FROM t WHERE b = 2.5e3", True),
        ("SELECT E'a\\'b', $$x$$, $t$y$t$", "SELECT 'q', 'r', 's'", True),
        ("SELECT a FROM t", "SELECT b FROM t", False),
        ('SELECT "A" FROM t', 'SELECT "a" FROM t', False),
        ("SELECT 'never ends", "SELECT 'other", True),
    ],
)
def test_constants_make_no_difference(one: str, other: str, same: bool) -> None:
    assert (shape_digest(one) == shape_digest(other)) is same


def query(group: str, sql: str) -> Query:
    return Query(7, Origin("alice", "sales", group), sql, QueryContext(user="alice"), ThreadPoolExecutor())


def test_the_address_behind_a_session_of_the_master(tmp_path: pathlib.Path) -> None:
    """Asked once for each session, when it first comes; a query that is over before the answer is told with it all the same."""
    asked: list[tuple[str, str]] = []

    async def story() -> list[dict[str, Any]]:
        answer = asyncio.Event()

        async def ask(origin: Origin, session: str) -> str | None:
            asked.append((origin.database, session))
            await answer.wait()
            if session == "3.3":
                raise OSError("the master is away")
            return {"1.1": "192.0.2.7"}.get(session)

        audit = Auditing(Trail(tmp_path / "audit.jsonl", "compute-0"), Clients(ask))

        def entries() -> list[dict[str, Any]]:
            (found,) = audit.answer({"action": "audit", "wanted": {"limit": 10}})
            assert isinstance(found, dict)
            return list(found["entries"])

        for group in ("bdc 1 1.1 alice sales", "bdc 1 1.1 alice sales", "bdc 2 2.2 alice sales", "bdc 3 3.3 alice sales", "session 12"):
            audit.arrived(Origin("alice", "sales", group))
            audit.note(query(group, "SELECT 1"))
        answer.set()
        while len(entries()) < 5:
            await asyncio.sleep(0.01)
        audit.note(query("bdc 1 1.1 alice sales", "SELECT 1"))
        audit.note(query("bdc 4 4.4 alice sales", "SELECT 1"))
        return entries()

    origins = sorted((str(entry.get("session")), entry.get("origin")) for entry in asyncio.run(story()))
    assert asked == [("sales", "1.1"), ("sales", "2.2"), ("sales", "3.3")]
    known, master = ("1.1", "192.0.2.7"), [(session, "master") for session in ("2.2", "3.3", "4.4")]
    assert origins == [known, known, known, ("12", None), *master]


def test_queries_and_logins(tmp_path: pathlib.Path) -> None:
    audit = Auditing(Trail(tmp_path / "audit.jsonl", "compute-0"))
    audit.note(query("bdc 4711 6740a1c2.1267 alice sales", f"SELECT '{SECRET}'"))
    refused = query("session 12", f"SELECT a FROM t WHERE b = '{SECRET}'")
    refused.failed(StatementError("42501", f"permission denied for {SECRET}"))
    audit.note(refused)
    unrecorded = query("session 12", "SELECT 1")
    unrecorded.recorded = False
    audit.note(unrecorded)
    audit.login(Identity("alice", "sales", False), "127.0.0.1", "12")
    audit.login(Identity("alice", "sales", True), "127.0.0.1", "13")
    audit.login(Identity("", "sales", False), "127.0.0.1", None, AuthenticationError("no"))
    (answer,) = audit.answer({"action": "audit", "wanted": {"limit": 10}})
    assert isinstance(answer, dict) and (answer["lost"], answer["problem"]) == (0, None)
    entries = {(line["action"], line["outcome"], line.get("user"), line.get("session"), line.get("why")) for line in answer["entries"]}
    assert entries == {
        ("sql.query", "allowed", "alice", "6740a1c2.1267", None),
        ("sql.query", "refused", "alice", "12", "42501"),
        ("sql.login", "allowed", "alice", "12", None),
        ("sql.login", "refused", None, None, "28P01"),
    }
    assert SECRET not in (tmp_path / "audit.jsonl").read_text()
    assert [line["why"] for line in found(tmp_path / "audit.jsonl", Wanted(action="sql.query", outcome="refused"))] == ["42501"]
    with pytest.raises(StatementError, match="audit request"):
        audit.answer({"wanted": {"limit": -1}})
    audit.trail.close()
