"""The life of versions: created, updated while they serve, deleted, brought up again; and who may."""

from __future__ import annotations

import concurrent.futures
import gzip
import pathlib
import signal
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from apps import templates
from apps.package import pack
from pools.app.proxy import ROUTES
from pools.app.tokens import ADMINS, OWNERS, READERS
from tests.apps.folders import python
from tests.patience import eventually
from tests.pools.app.stand import Stand, stand


def app(folder: pathlib.Path, name: str, result: object = 1, version: str = "v1", more: str = "") -> pathlib.Path:
    python(folder, f"import time\ndef run():\n    return {result}\n", more=more)
    spec = (folder / "spec.yaml").read_text().replace("name: t\nversion: v1", f"name: {name}\nversion: {version}")
    (folder / "spec.yaml").write_text(spec)
    return folder


def test_created_described_listed_deleted(proxy: Stand, tmp_path: pathlib.Path) -> None:
    folder = app(tmp_path / "a", "life")
    found = proxy.create(folder)
    assert (found["state"], found["digest"], found["created_by"]) == ("Ready", pack(folder).digest, "uappowner")
    assert found["links"]["app"].endswith("/api/app/life/v1/run")
    assert found["output_param_defs"] == [{"name": "result", "type": "int"}]
    assert "life" in [row["name"] for row in proxy.call("GET", "/api/v1/apps").json()]
    again = proxy.call("POST", "/api/v1/apps", content=pack(folder).archive)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "conflict")
    assert proxy.run("life").json()["outputParameters"] == {"result": 1}
    assert proxy.call("DELETE", "/api/v1/apps/life/v1").status_code == 200
    assert (proxy.run("life").status_code, proxy.call("DELETE", "/api/v1/apps/life/v1").status_code) == (404, 404)
    assert not [path for path in (proxy.folder / "data").rglob("*life*")]


def test_two_creates_at_once_make_one(proxy: Stand, tmp_path: pathlib.Path) -> None:
    content = pack(app(tmp_path / "a", "twice")).archive
    proxy.token("app-owner")
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: proxy.call("POST", "/api/v1/apps", content=content).status_code, range(4)))
    assert sorted(answers) == [201, 409, 409, 409]


@pytest.mark.parametrize(
    ("code", "said"),
    [("import nothing\ndef run(): pass", "No module named 'nothing'"), ("import os\nos._exit(4)\ndef run(): pass", "exit code 4")],
)
def test_what_can_not_be_started_is_an_error_with_the_reason(proxy: Stand, tmp_path: pathlib.Path, code: str, said: str) -> None:
    folder = app(tmp_path / "a", f"bad{abs(hash(code)) % 1000}")
    (folder / "app.py").write_text(code)
    found = proxy.create(folder, state="Error")
    assert said in found["reason"]
    answer = proxy.run(found["name"])
    assert (answer.status_code, said in answer.json()["errorMessage"]) == (500, True)
    (folder / "app.py").write_text("def run(): return 7\n")
    assert proxy.create(folder, "PUT")["state"] == "Ready"
    assert proxy.run(found["name"]).json()["outputParameters"] == {"result": 7}


def test_bad_packages_leave_nothing(proxy: Stand, tmp_path: pathlib.Path) -> None:
    before = {path.name for path in (proxy.folder / "data" / "code").iterdir()}
    templates.init(tmp_path / "sql", "sql", "q", "v1")
    bad = app(tmp_path / "bad", "bad", more="schedule: '* 24 * * *'")
    for content, status, said in (
        (b"no", 400, "is no package"),
        (b"", 400, "is no package"),
        (gzip.compress(b"\0" * 10240), 400, "the package is empty"),
        (pack(tmp_path / "sql").archive, 400, "sql: this app proxy was not told where the master is"),
        (pack(bad).archive, 400, "spec.yaml:8: schedule: cron: hour can't be '24'"),
    ):
        answer = proxy.call("POST", "/api/v1/apps", content=content)
        assert (answer.status_code, said in answer.json()["error"]["message"]) == (status, True), answer.text
    assert {path.name for path in (proxy.folder / "data" / "code").iterdir()} == before


def test_an_update_loses_no_call_and_a_bad_one_changes_nothing(proxy: Stand, tmp_path: pathlib.Path) -> None:
    folder = app(tmp_path / "a", "upd", more="poolsize: 2")
    first = proxy.create(folder)
    app(folder, "upd", 2, more="poolsize: 2")
    token = proxy.token("app-reader")

    def calls() -> list[int]:
        """One after the other: after an answer of the new package there is none of the old one."""
        return [proxy.run("upd", token=token).json()["outputParameters"]["result"] for _ in range(150)]

    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        callers = [threads.submit(calls) for _ in range(2)]
        second = proxy.create(folder, "PUT")
        for caller in callers:
            found = caller.result()
            assert found == sorted(found)
    assert second["digest"] != first["digest"]
    assert proxy.run("upd").json()["outputParameters"] == {"result": 2}
    (folder / "app.py").write_text("1 / 0\ndef run(): pass\n")
    third = proxy.create(folder, "PUT")
    assert third["digest"] == second["digest"]
    assert "ZeroDivisionError" in third["reason"]
    assert proxy.run("upd").json()["outputParameters"] == {"result": 2}
    assert proxy.call("PUT", "/api/v1/apps", content=pack(app(tmp_path / "b", "unknown")).archive).status_code == 404


def test_a_restart_brings_all_up_again_and_a_kill_leaves_no_worker(tmp_path: pathlib.Path) -> None:
    with stand(tmp_path) as proxy:
        proxy.create(app(tmp_path / "a", "stay", 5))
        for number in (signal.SIGTERM, signal.SIGKILL):
            workers = proxy.workers()
            assert len(workers) == 1
            assert proxy.stop(number) == (0 if number == signal.SIGTERM else -number)
            eventually(lambda pids=workers: not [pid for pid in pids if pathlib.Path(f"/proc/{pid}").exists()], "no worker is left")
            (tmp_path / "data" / "versions" / "broken@v1.json").write_text("{")
            proxy.start()
            eventually(lambda: proxy.run("stay").status_code == 200, "it serves again")
        assert proxy.run("stay").json()["outputParameters"] == {"result": 5}


def test_with_the_controller_down_calls_go_on_also_after_a_restart(tmp_path: pathlib.Path) -> None:
    with stand(tmp_path) as proxy:
        proxy.create(app(tmp_path / "a", "stay", 5))
        token = proxy.token("app-reader")
        proxy.api.services.keys.jwks = lambda: 1 / 0  # type: ignore[method-assign, assignment, return-value] # as good as away
        assert proxy.run("stay", token=token).status_code == 200
        proxy.stop()
        proxy.start()
        eventually(lambda: proxy.run("stay", token=token).status_code == 200, "it serves again")


def forged(proxy: Stand, private: Ed25519PrivateKey | None = None, **claims: object) -> str:
    content = jwt.decode(proxy.token("app-owner"), options={"verify_signature": False})
    key = proxy.api.services.keys.signing()
    return jwt.encode({**content, **claims}, private or key.private, algorithm="EdDSA", headers={"kid": key.kid})


def test_every_route_every_caller(proxy: Stand) -> None:
    """In what the table of routes says, plus the way of calls, which is beside it."""
    table = {("POST", ("api", "app", "run")): READERS}
    table |= {(method, shape): roles for shape, methods in ROUTES.items() for method, (roles, _) in methods.items() if roles is not None}
    callers = {
        "none": "", "garbage": "a.b.c", "expired": forged(proxy, exp=int(time.time()) - 1),
        "foreign": forged(proxy, Ed25519PrivateKey.generate()), "issuer": forged(proxy, iss="openbdc:another"),
        "audience": proxy.token("app-owner", audience="compute"), "roles": forged(proxy, roles="app-owner"), "user": proxy.token(),
        "reader": proxy.token("app-reader"), "owner": proxy.token("app-owner"), "admin": proxy.token("admin"),
        "login": proxy.token("app-owner", audience="controller"), "empty": forged(proxy, roles=None), "unsigned": unsigned(proxy),
    }  # fmt: skip
    for (method, shape), roles in table.items():
        path = "/" + "/".join({"VERSION": "nobody/v1", "app": "app/nobody/v1"}.get(part, part) for part in shape)
        for who, token in callers.items():
            answer = proxy.client.request(method, path, headers={"Authorization": f"Bearer {token}"} if token else {})
            known = who in ("reader", "owner", "admin", "login", "user", "roles", "empty")
            inside = who == "admin" or (who in ("owner", "login") and roles is not ADMINS) or (who == "reader" and roles is READERS)
            expected = 401 if not known else 403 if not inside else None
            found = answer.status_code if answer.status_code in (401, 403) else None
            assert found == expected, (method, path, who, answer.text)
    assert ADMINS < OWNERS < READERS


def unsigned(proxy: Stand) -> str:
    content = jwt.decode(proxy.token("app-owner"), options={"verify_signature": False})
    return jwt.encode(content, None, algorithm="none", headers={"kid": proxy.api.services.keys.signing().kid})


def test_a_token_ends_also_while_it_is_remembered(proxy: Stand, tmp_path: pathlib.Path) -> None:
    proxy.create(app(tmp_path / "a", "short"))
    token = forged(proxy, exp=int(time.time()) + 3)
    assert proxy.run("short", token=token).status_code == 200
    eventually(lambda: proxy.run("short", token=token).status_code == 401, "the token has ended")
