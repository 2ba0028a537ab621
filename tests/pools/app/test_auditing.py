"""Who called which app, changed one, or was refused, as the proxy's own audit trail tells it; and nothing of what was said."""

from __future__ import annotations

import asyncio
import pathlib

import jwt
import pytest

from pools import audit_often
from pools.audit import Trail
from pools.audit_entries import Entry
from pools.audit_often import Often
from tests.apps.folders import python
from tests.pools.app.stand import Stand

CODE = "def run(x):\n    return 1 / x\n"
Short = tuple[object, ...]


def told(proxy: Stand, **asked: object) -> list[dict[str, object]]:
    answer = proxy.call("GET", "/api/v1/audit", proxy.token("admin"), params={"since": "2020-01-01T00:00:00+00:00", **asked})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["lost"], answer.json()["problem"]) == (0, None)
    found: list[dict[str, object]] = answer.json()["entries"]
    return found


def short(entry: dict[str, object]) -> Short:
    return tuple(entry.get(name) for name in ("user", "action", "objects", "outcome", "rule", "why"))


def test_who_did_what(proxy: Stand, tmp_path: pathlib.Path) -> None:
    app = python(tmp_path / "a", CODE, "{x: float}", "{result: float}")
    (app / "spec.yaml").write_text((app / "spec.yaml").read_text().replace("name: t\n", "name: audited\n"))
    proxy.create(app)
    reader = proxy.token("app-reader")
    for _ in range(5):
        assert proxy.run("audited", token=reader, x=4.0).status_code == 200
    assert proxy.run("audited", token=reader, x=0.0).status_code == 500
    assert proxy.run("audited", token=proxy.token(), x=12345.5).status_code == 403
    assert proxy.run("audited", token="planted.to.ken", x=1.0).status_code == 401
    assert proxy.call("DELETE", "/api/v1/apps/audited/v1", reader).status_code == 403
    assert proxy.call("DELETE", "/api/v1/apps/audited/v1").status_code == 200
    entries = [entry for entry in told(proxy) if "audited@v1" in str(entry.get("objects")) or entry.get("user") is None]
    found = [short(entry) for entry in reversed(entries)]
    (login,) = {entry["session"] for entry in entries if entry.get("user") == "uappreader"}
    assert login == jwt.decode(reader, options={"verify_signature": False})["sid"], "as the controller's trail names this login"
    for expected in (
        ("uappowner", "apps.create", ["audited@v1"], "allowed", "app-owner", None),
        ("uappreader", "apps.run", ["audited@v1"], "allowed", "app-reader", None),
        ("uappreader", "apps.run", ["audited@v1", "times=4"], "allowed", "app-reader", None),
        ("uappreader", "apps.run", ["audited@v1"], "failed", "app-reader", "app_failed"),
        ("u", "apps.run", ["audited@v1"], "refused", "app-reader", "forbidden"),
        (None, "apps.run", None, "refused", "token", "invalid_token"),
        ("uappreader", "apps.delete", ["audited@v1"], "refused", "app-owner", "forbidden"),
        ("uappowner", "apps.delete", ["audited@v1"], "allowed", "app-owner", None),
    ):
        assert found.count(expected) >= 1, (expected, found)
    file = proxy.folder / "data" / "audit.jsonl"
    content = file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600 and "12345" not in content and "planted" not in content
    assert {entry["user"] for entry in told(proxy, user="u")} == {"u"} and told(proxy, action="apps.delete", outcome="refused", limit=1)


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "since=yesterday", "limit=99999"])
def test_bad_questions(proxy: Stand, query: str) -> None:
    answer = proxy.call("GET", f"/api/v1/audit?{query}", proxy.token("admin"))
    assert answer.status_code in (400, 422), answer.text


def test_what_comes_often_is_counted(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trail, now = Trail(tmp_path / "audit.jsonl", "x"), [0.0]
    often = Often(trail, lambda: now[0])

    def lines() -> list[str]:
        trail.settle()
        return (tmp_path / "audit.jsonl").read_text().splitlines()

    for _ in range(1000):
        often.note(Entry("a", "allowed", "x", user="u", request="r"))
    assert len(lines()) == 1
    now[0] = audit_often.SECONDS
    often.note(Entry("a", "allowed", "x", user="u"))
    assert len(lines()) == 3 and '"times=999"' in lines()[1] and '"r"' not in lines()[1]
    monkeypatch.setattr(audit_often, "MOST", 10)
    for number in range(100):
        often.note(Entry("a", "allowed", "x", user=f"u{number}"))
    assert len(lines()) == 103, "nobody fills the memory"

    async def a_minute_without_anything() -> None:
        monkeypatch.setattr(audit_often, "SECONDS", 0.01)
        for _ in range(3):
            often.note(Entry("b", "allowed", "x", user="u"))
        now[0] += 1
        while len(lines()) < 105:
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(a_minute_without_anything(), 60))
    assert '"times=2"' in lines()[-1]
    trail.close()
