"""Who did what to which file of a real HDFS, or was refused by the gateway, as its own audit trail tells it."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Iterator
from typing import Any

import jwt
import pytest

from controller.api.audit_services import AuditServices
from controller.auth.tokens import Caller
from controller.gateway_trail import GatewayTrail
from controller.service_http import over_socket
from pools import metrics_listener
from pools.audit_reading import Wanted
from pools.gateway.auditing import ACTIONS
from pools.gateway.routes import AUDIT
from pools.gateway.workloads import GatewayPlace, workloads
from pools.workload import Workload
from tests.controller.api.service import ADMIN, ISSUER, USER
from tests.patience import PATIENCE, eventually
from tests.pools.gateway.running import Running, gateway
from tests.pools.gateway.test_files import create, location
from tests.pools.gateway.test_http2 import Hand, by_hand, ended
from tests.services.certificates import laid
from tests.services.hdfs import HdfsServer

Short = tuple[object, ...]
SECRET = "planted-4711"


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path


@pytest.fixture
def running(hdfs: HdfsServer, folder: pathlib.Path) -> Iterator[Running]:
    with gateway(folder, hdfs) as found:
        with hdfs.superuser() as files:
            files.mkdirs("/open", 0o1777, True)
            files.set_permission("/open", 0o1777)
        yield found
        hdfs.empty()


def told(folder: pathlib.Path, query: str = "limit=1000") -> list[dict[str, object]]:
    answer = json.loads(over_socket(str(folder), f"/audit?{query}", "audit")(PATIENCE))
    assert (answer["lost"], answer["problem"]) == (0, None)
    found: list[dict[str, object]] = answer["entries"]
    return found


def short(entry: dict[str, object]) -> Short:
    return tuple(entry.get(name) for name in ("user", "action", "objects", "outcome", "rule", "why", "bytes"))


def until(folder: pathlib.Path, expected: Short) -> None:
    eventually(lambda: expected in map(short, told(folder)), f"{expected}")


def test_files(running: Running, folder: pathlib.Path) -> None:
    token, hdfs = running.token(USER), "HDFS permissions"
    with running.client(token) as client:
        # the content is audited where it goes, not where the client is sent on
        assert create(client, running, "/open/a%20b", SECRET.encode(), "&user.name=root").status_code == 201
        for _ in range(3):
            assert client.get(location(client.get("/webhdfs/v1/open/a%20b?op=OPEN"), running)).text == SECRET
        to = client.get("/webhdfs/v1/open/a%20b?op=open&noredirect=true").json()["Location"]
        assert client.get(to).text == SECRET
        for verb, asked, status in (
            ("GET", "/open?op=LISTSTATUS&noredirect=true", 200),
            ("GET", "/open/a%20b?op=GETFILESTATUS", 200),
            ("GET", "/none?op=GETFILESTATUS", 404),
            ("PUT", "/open/folder?op=MKDIRS", 200),
            ("PUT", "/open/a%20b?op=SETPERMISSION&permission=600", 200),
            ("PUT", "/open/a%20b?op=RENAME&destination=/open/c", 200),
            ("PUT", "/open/c?op=SETOWNER&owner=root", 403),
            ("PUT", "/elsewhere?op=MKDIRS", 403),
            ("DELETE", "/open/c?op=DELETE", 200),
        ):
            answer = client.request(verb, f"/webhdfs/v1{asked}", headers={"X-Request-Id": "mine"})
            assert answer.status_code == status, (asked, answer.text)
        there = create(client, running, "/open/folder/x", b"1")
        full = client.delete("/webhdfs/v1/open/folder?op=DELETE")
        assert (there.status_code, full.status_code) == (201, 403), full.text
    for expected in (
        (USER, "files.write", ["/open/a b"], "allowed", hdfs, None, len(SECRET)),
        (USER, "files.read", ["/open/a b"], "allowed", hdfs, None, len(SECRET)),
        (USER, "files.list", ["/open"], "allowed", hdfs, None, None),
        (USER, "files.status", ["/none"], "failed", hdfs, "FileNotFoundException", None),
        (USER, "files.mkdir", ["/open/folder"], "allowed", hdfs, None, None),
        (USER, "files.permissions", ["/open/a b"], "allowed", hdfs, None, None),
        (USER, "files.rename", ["/open/a b", "to=/open/c"], "allowed", hdfs, None, None),
        (USER, "files.permissions", ["/open/c"], "refused", hdfs, "AccessControlException", None),
        (USER, "files.mkdir", ["/elsewhere"], "refused", hdfs, "AccessControlException", None),
        (USER, "files.delete", ["/open/c"], "allowed", hdfs, None, None),
        (USER, "files.delete", ["/open/folder"], "failed", hdfs, "PathIsNotEmptyDirectoryException", None),
    ):
        until(folder, expected)

    def read() -> int:
        """Times, and bytes, of all entries together."""
        return sum(int(str(one["bytes"])) for one in told(folder, "action=files.read"))

    eventually(lambda: read() == 4 * len(SECRET), "four reads, those alike counted")
    entries = told(folder)
    assert {one["session"] for one in entries} == {jwt.decode(token, options={"verify_signature": False})["sid"]}
    assert {one["origin"] for one in entries} == {"127.0.0.1"}
    assert [one["request"] for one in told(folder, "action=files.rename")] == ["mine"]
    assert not [one for one in entries if one["action"] == "files.status" and one["outcome"] == "allowed"]
    file = folder / "audit.jsonl"
    content = file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    assert not [word for word in (SECRET, token, "datanode", "permission=", "user.name", "owner=") if word in content]


def test_refusals_of_every_route(running: Running, folder: pathlib.Path) -> None:
    callers = running.callers()
    with running.client() as client:
        for token in (None, "x.y.z", "x" * 9000):
            sent = {"Authorization": f"Bearer {token}"} if token else {}
            assert client.get("/webhdfs/v1/of-nobody?op=OPEN", headers=sent).status_code == 401
            assert client.get("/api/v1/whoami", headers=sent).status_code == 401  # but for the last one the controller says so
        role = {"Authorization": f"Bearer {callers['wrong role']}"}
        assert client.get("/webhdfs/v1/of-nobody?op=OPEN", headers=role).status_code == 403
        assert client.get("/nothing", headers=role).status_code == 404

    async def work(hand: Hand) -> None:
        role = (b"authorization", f"Bearer {callers['wrong role']}".encode())
        for number in (hand.ask(path=b"/spark.connect.SparkConnectService/Config"), hand.ask(role)):
            await hand.until(ended(number))

    by_hand(running, work)
    for expected in (
        (None, "gateway.webhdfs", None, "refused", "token", "invalid_token", None),
        (None, "gateway.api", None, "refused", "token", "invalid_token", None),
        (USER, "gateway.webhdfs", None, "refused", "user", "forbidden", None),
        (None, "gateway.spark", None, "refused", "token", "invalid_token", None),
        (USER, "gateway.flight", None, "refused", "user", "forbidden", None),
    ):
        until(folder, expected)
    entries = told(folder)
    assert [one["action"] for one in entries].count("gateway.api") == 1, "what the controller refuses is in its trail"
    content = (folder / "audit.jsonl").read_text()
    assert "of-nobody" not in content and "x.y.z" not in content


def test_what_the_controller_makes_of_it(running: Running, folder: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with running.client(running.token(USER)) as client:
        assert client.put("/webhdfs/v1/open/by-hand?op=MKDIRS").status_code == 200
    until(folder, (USER, "files.mkdir", ["/open/by-hand"], "allowed", "HDFS permissions", None, None))

    admin = running.api.services.tokens.check(running.token(ADMIN))
    wanted = Wanted(user=USER, action="files", since="2020-01-01T00:00:00+00:00")
    nobody = tmp_path_factory.mktemp("nobody")

    def place(listen: str) -> Workload:
        return workloads(GatewayPlace("127.0.0.1", running.port, "gateway", "http://x", ISSUER, listen=listen))[0]

    def trail(workload: Workload | None, **more: Any) -> GatewayTrail:
        made = GatewayTrail(
            running.api.services.tokens,
            lambda: workload,
            lambda _: str(folder),
            lambda _: "127.0.0.1",
            lambda: running.certificates.root,
            lambda: False,
        )
        return dataclasses.replace(made, **more)

    def asked(gateway: GatewayTrail | None, wanted: Wanted, caller: Caller | None = admin) -> tuple[list[object], list[str | None]]:
        found, services = AuditServices(gateway=gateway).find(wanted, caller)
        assert {one.service for one in services[1:]} <= {"gateway"}
        return [one["action"] for one in found], [one.problem for one in services[1:]]

    here, in_a_pod = place("127.0.0.1"), place("0.0.0.0")
    for one in (here, in_a_pod):
        assert asked(trail(one), wanted) == (["files.mkdir"], [None])
        assert asked(trail(one), Wanted(user="eve")) == ([], [None])
    assert asked(None, wanted) == asked(trail(None), wanted) == asked(trail(in_a_pod), wanted, None) == ([], [])
    other = str(laid(nobody / "tls").root)
    for bad, why in (
        (trail(here, run=lambda _: str(nobody)), "refused"),
        (trail(in_a_pod, authority=lambda: other), "CERTIFICATE_VERIFY_FAILED"),
        (trail(in_a_pod, foreign=lambda: True), "tlsSecret"),
    ):
        entries, (problem,) = asked(bad, wanted)
        assert entries == [] and problem is not None and why in problem, problem


def test_the_route_is_for_admins(running: Running, folder: pathlib.Path) -> None:
    with running.client() as client:

        def status(token: str | None, method: str = "GET", query: str = "") -> int:
            sent = {"Authorization": f"Bearer {token}"} if token else {}
            return client.request(method, f"{AUDIT}{query}", headers=sent).status_code

        callers = running.callers(ADMIN)
        assert {caller: status(token) for caller, token in callers.items()} == {
            **dict.fromkeys(callers, 401),
            "wrong role": 403,
            "right role": 200,
        }
        assert status(running.token(USER)) == 403
        admin = callers["right role"]
        assert (status(admin, "POST"), status(admin, "GET", "?limit=0"), status(admin, "GET", "?since=x")) == (405, 400, 400)
    until(folder, (ADMIN, "audit.query", None, "allowed", "admin", None, None))
    until(folder, (USER, "gateway.audit", None, "refused", "admin", "forbidden", None))


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "since=yesterday"])
def test_bad_questions(running: Running, folder: pathlib.Path, query: str) -> None:
    with pytest.raises(ValueError, match="400"):
        over_socket(str(folder), f"/audit?{query}", "audit")(PATIENCE)


def test_another_os_user_is_told_nothing(running: Running, folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_listener, "peer_user", lambda connection: 54321)
    with pytest.raises(ValueError, match="403"):
        over_socket(str(folder), "/audit?limit=1", "audit")(PATIENCE)


def test_the_names_of_operations() -> None:
    assert all(op == op.upper() for op in ACTIONS)
    assert {name.partition(".")[0] for name in ACTIONS.values()} == {"files"}
