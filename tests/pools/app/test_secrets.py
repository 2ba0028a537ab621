"""Secrets of apps: they reach the workers of just that app, running ones too, and nobody else sees them."""

from __future__ import annotations

import functools
import json
import pathlib
import textwrap

from apps.package import pack
from tests.apps.folders import python
from tests.patience import eventually
from tests.pools.app.stand import Stand

SHOWS = """
    import os
    def run(of):
        return os.environ.get(of, "none")
"""
PATH = "/api/v1/app-secrets"


def asking(folder: pathlib.Path, name: str, version: str = "v1", more: str = "secrets: [DB_PASSWORD]", code: str = SHOWS) -> pathlib.Path:
    made = python(folder, code, "{of: str}", "{result: str}", more)
    (made / "spec.yaml").write_text((made / "spec.yaml").read_text().replace("name: t\nversion: v1", f"name: {name}\nversion: {version}"))
    return made


def put(proxy: Stand, app: str, secret: str, value: object) -> tuple[int, dict[str, object]]:
    answer = proxy.call("PUT", f"{PATH}/{app}/{secret}", json={"value": value})
    return answer.status_code, answer.json()


def value(proxy: Stand, app: str, secret: str = "DB_PASSWORD") -> object:
    return proxy.run(app, of=secret).json()["outputParameters"].get("result")


def listed(proxy: Stand, app: str) -> list[tuple[object, object, object]]:
    answer = proxy.call("GET", f"{PATH}/{app}")
    return [(row["name"], row["by"], row["versions"]) for row in answer.json()["secrets"]]


def test_one_that_is_not_set_is_refused_with_what_to_run(proxy: Stand, tmp_path: pathlib.Path) -> None:
    folder = asking(tmp_path / "a", "needy", more="secrets: [DB_PASSWORD, API_KEY]")
    answer = proxy.call("POST", "/api/v1/apps", content=pack(folder).archive)
    assert answer.status_code == 409 and proxy.call("GET", "/api/v1/apps/needy/v1").status_code == 404
    assert "bdc app secret set needy DB_PASSWORD; bdc app secret set needy API_KEY" in answer.json()["error"]["message"]


def test_it_reaches_the_workers_of_this_app_alone_and_nobody_reads_it(proxy: Stand, tmp_path: pathlib.Path) -> None:
    secret = "Planted-of-an-app+?/1"
    assert put(proxy, "own", "DB_PASSWORD", secret) == (200, {"app": "own", "name": "DB_PASSWORD", "restarted": []})
    proxy.create(asking(tmp_path / "a", "own"))
    proxy.create(asking(tmp_path / "b", "other", more=""))
    assert (value(proxy, "own"), value(proxy, "other")) == (secret, "none")
    assert value(proxy, "own", "SECRET") == "none"
    for worker in proxy.workers():
        shown = pathlib.Path(f"/proc/{worker}/environ").read_bytes() + pathlib.Path(f"/proc/{worker}/cmdline").read_bytes()
        assert secret.encode() not in shown
    holding = [path for path in proxy.folder.rglob("*") if path.is_file() and secret in path.read_text(errors="replace")]
    assert [path.relative_to(proxy.folder / "data") for path in holding] == [pathlib.Path("secrets/own.json")]
    assert holding[0].stat().st_mode & 0o777 == 0o600 and holding[0].parent.stat().st_mode & 0o777 == 0o700
    for path in ("/api/v1/apps", "/api/v1/apps/own/v1", "/api/v1/apps/own/v1/log", f"{PATH}/own"):
        assert secret not in proxy.call("GET", path).text
    assert listed(proxy, "own") == [("DB_PASSWORD", "uappowner", ["v1"])]


def test_another_value_reaches_running_workers_and_no_call_is_lost(proxy: Stand, tmp_path: pathlib.Path) -> None:
    put(proxy, "turns", "DB_PASSWORD", "one")
    for version in ("v1", "v2"):
        proxy.create(asking(tmp_path / version, "turns", version))
    proxy.create(asking(tmp_path / "v3", "turns", "v3", more=""))
    assert put(proxy, "turns", "DB_PASSWORD", "two")[1]["restarted"] == ["turns@v1", "turns@v2"]
    while (found := value(proxy, "turns")) != "two":
        assert found == "one"
    for version in ("v1", "v2"):
        path = f"/api/v1/apps/turns/{version}"
        eventually(functools.partial(_settled, proxy, path), "it is settled")
        found = proxy.call("GET", path).json()
        assert (found["state"], found["reason"]) == ("Ready", "serves")
        assert proxy.run("turns", version, of="DB_PASSWORD").json()["outputParameters"] == {"result": "two"}
    proxy.stop()
    proxy.start()
    eventually(lambda: proxy.run("turns", of="DB_PASSWORD").status_code == 200, "it serves again")
    assert value(proxy, "turns") == "two"


def test_a_value_with_which_it_can_not_start_leaves_what_serves(proxy: Stand, tmp_path: pathlib.Path) -> None:
    put(proxy, "picky", "DB_PASSWORD", "good")
    proxy.create(asking(tmp_path / "a", "picky", code='import os\nassert os.environ["DB_PASSWORD"] == "good", "no"\n' + _flat(SHOWS)))
    put(proxy, "picky", "DB_PASSWORD", "bad")
    eventually(lambda: proxy.call("GET", "/api/v1/apps/picky/v1").json()["settled"], "it is settled")
    found = proxy.call("GET", "/api/v1/apps/picky/v1").json()
    assert found["state"] == "Ready" and "the version before it serves" in found["reason"]
    assert value(proxy, "picky") == "good"
    put(proxy, "picky", "DB_PASSWORD", "good")
    eventually(lambda: proxy.call("GET", "/api/v1/apps/picky/v1").json()["reason"] == "serves", "it serves with it")


def test_which_are_needed_stay_and_all_go_with_the_app(proxy: Stand, tmp_path: pathlib.Path) -> None:
    put(proxy, "goes", "DB_PASSWORD", "x")
    put(proxy, "goes", "SPARE", "y")
    proxy.create(asking(tmp_path / "a", "goes"))
    refused = proxy.call("DELETE", f"{PATH}/goes/DB_PASSWORD")
    assert (refused.status_code, "goes@v1 asks for DB_PASSWORD" in refused.json()["error"]["message"]) == (409, True)
    assert proxy.call("DELETE", f"{PATH}/goes/SPARE").status_code == 200
    assert proxy.call("DELETE", f"{PATH}/goes/SPARE").status_code == 404
    assert proxy.call("DELETE", "/api/v1/apps/goes/v1").status_code == 200
    assert listed(proxy, "goes") == [] and not (proxy.folder / "data" / "secrets" / "goes.json").exists()


def test_one_that_was_lost_is_told_and_setting_it_heals(proxy: Stand, tmp_path: pathlib.Path) -> None:
    put(proxy, "lost", "DB_PASSWORD", "x")
    proxy.create(asking(tmp_path / "a", "lost"))
    proxy.stop()
    (proxy.folder / "data" / "secrets" / "lost.json").unlink()
    proxy.start()
    eventually(lambda: proxy.call("GET", "/api/v1/apps/lost/v1").json()["state"] == "Error", "it can't be started")
    assert "bdc app secret set lost DB_PASSWORD" in proxy.call("GET", "/api/v1/apps/lost/v1").json()["reason"]
    assert listed(proxy, "lost") == [("DB_PASSWORD", None, ["v1"])]
    assert put(proxy, "lost", "DB_PASSWORD", "y")[1]["restarted"] == ["lost@v1"]
    eventually(lambda: proxy.run("lost", of="DB_PASSWORD").status_code == 200, "it serves again")
    assert value(proxy, "lost") == "y"


def test_what_can_be_none_is_refused(proxy: Stand) -> None:
    for app, secret, given, status in (
        ("a", "X", "", 400), ("a", "X", 7, 400), ("a", "X", "a\0b", 400), ("a", "X", "x" * 40_000, 400), ("a", "X", "x" * 300_000, 413),
        ("a", "lower", "x", 400), ("a", "..", "x", 404), ("..", "X", "x", 404), ("A", "X", "x", 400),
    ):  # fmt: skip
        found, answer = put(proxy, app, secret, given)
        assert found == status, (app, secret, answer)
        assert "xxx" not in json.dumps(answer)
    for body in (b"", b"[]", b"{}", b"null", b"\xff", b"[" * 100_000):
        assert proxy.call("PUT", f"{PATH}/a/X", content=body).status_code == 400


def _settled(proxy: Stand, path: str) -> bool:
    return bool(proxy.call("GET", path).json()["settled"])


def _flat(code: str) -> str:
    return textwrap.dedent(code)
