"""Files of a real HDFS through the gateway: who HDFS takes the caller for, and what a large file costs."""

from __future__ import annotations

import hashlib
import os
import subprocess
import threading
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from pools.gateway.workloads import PROXY_USER
from tests.controller.api.service import ADMIN, USER
from tests.patience import eventually
from tests.pools.gateway.running import Running, error, gateway
from tests.services.hdfs import HdfsServer

PIECE = os.urandom(1 << 20)
PIECES = 96


@pytest.fixture(scope="module")
def running(hdfs: HdfsServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with gateway(tmp_path_factory.mktemp("gateway"), hdfs) as found:
        with hdfs.superuser() as files:
            files.mkdirs("/open", 0o1777, True)
            files.set_permission("/open", 0o1777)
        yield found
        hdfs.empty()


def location(answer: httpx.Response, running: Running) -> str:
    """Where a redirect leads; it must be the gateway."""
    assert answer.status_code == 307, answer.text
    found = answer.headers["location"]
    assert found.startswith(running.url + "/"), found
    assert PROXY_USER not in found
    assert "127.0.0.1" not in urllib.parse.unquote(found.removeprefix(running.url))
    return str(found)


def create(client: httpx.Client, running: Running, path: str, content: object, more: str = "") -> httpx.Response:
    to = location(client.put(f"/webhdfs/v1{path}?op=CREATE{more}"), running)
    return client.put(to, content=content)  # type: ignore[arg-type]


def test_hdfs_sees_the_caller_and_believes_the_gateway_alone(running: Running, hdfs: HdfsServer) -> None:
    with running.client(running.token(USER)) as client:
        # whatever name is claimed
        made = create(client, running, "/open/mine", b"of bob", "&user.name=root&doAs=admin")
        assert made.status_code == 201, made.text
        assert "set-cookie" not in made.headers
        assert "location" not in made.headers or PROXY_USER not in made.headers["location"]
        status = client.get("/webhdfs/v1/open/mine?op=GETFILESTATUS&user.name=root").json()["FileStatus"]
        assert (status["owner"], status["length"]) == (USER, 6)
        listing = client.get("/gateway/default/webhdfs/v1/open?op=LISTSTATUS")
        assert "set-cookie" not in listing.headers
        assert [entry["pathSuffix"] for entry in listing.json()["FileStatuses"]["FileStatus"]] == ["mine"]
        assert client.get(location(client.get("/webhdfs/v1/open/mine?op=OPEN&offset=3"), running)).content == b"bob"
        no = client.put("/webhdfs/v1/elsewhere?op=MKDIRS")
        assert (no.status_code, no.json()["RemoteException"]["exception"]) == (403, "AccessControlException")
        assert f"user={USER}" in no.json()["RemoteException"]["message"]
    with running.client(running.token(ADMIN)) as client:
        renamed = client.put("/webhdfs/v1/open/mine?op=RENAME&destination=/open/yours")
        assert renamed.json() in ({"boolean": False}, renamed.json())
        assert renamed.status_code == 403  # sticky: it is bob's
    audited = [line for line in hdfs.audited("/open/mine") if "cmd=create" in line]
    assert audited
    assert all(f"ugi={USER} (auth:PROXY) via {PROXY_USER}" in line and "ip=/127.0.0.1" in line for line in audited), audited
    assert not [line for line in hdfs.audited(f"via {PROXY_USER}") if "ugi=root (" in line]


def test_a_redirect_of_somebody_else_acts_as_who_follows_it(running: Running, hdfs: HdfsServer) -> None:
    with running.client(running.token(ADMIN)) as alice, running.client(running.token(USER)) as bob, running.client() as nobody:
        to = location(alice.put("/webhdfs/v1/open/taken?op=CREATE"), running)
        refused = nobody.put(to, content=b"x")
        assert (refused.status_code, error(refused)["code"]) == (401, "invalid_token")
        assert bob.put(to, content=b"x").status_code == 201
        assert bob.get("/webhdfs/v1/open/taken?op=GETFILESTATUS").json()["FileStatus"]["owner"] == USER


@pytest.mark.parametrize("path", ["/%2e%2e/%2e%2e/conf", "/..;/..;/logs/", "/..%2f..%2fjmx"])
def test_the_namenodes_other_pages_stay_inside(running: Running, path: str) -> None:
    with running.client(running.token(ADMIN)) as client:
        answer = client.get(httpx.URL(running.url, raw_path=f"/webhdfs/v1{path}?op=LISTSTATUS".encode()))
    assert (answer.status_code, error(answer)["code"]) == (400, "invalid_request")


@pytest.mark.parametrize("name", ["a b", "ä€😀", "a;doas=root", "a+b", "a&b=c", "100%"])
def test_names_of_all_kinds(running: Running, hdfs: HdfsServer, name: str) -> None:
    with running.client(running.token()) as client:
        path = "/open/" + urllib.parse.quote(name)
        assert create(client, running, path, name.encode()).status_code == 201
        assert client.get(location(client.get(f"/webhdfs/v1{path}?op=OPEN"), running)).content == name.encode()
        assert client.delete(f"/webhdfs/v1{path}?op=DELETE").json() == {"boolean": True}


def resident() -> int:
    """Bytes of this process, in which the gateway runs."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_large_files_pass_in_little_memory(running: Running, hdfs: HdfsServer) -> None:
    seen: list[int] = []

    def pieces() -> Iterator[bytes]:
        for _ in range(PIECES):
            yield PIECE
            seen.append(resident())

    digest = hashlib.sha256()
    for _ in range(PIECES):
        digest.update(PIECE)
    with running.client(running.token()) as client:
        assert create(client, running, "/open/large", pieces()).status_code == 201
        found = hashlib.sha256()
        with client.stream("GET", location(client.get("/webhdfs/v1/open/large?op=OPEN"), running)) as answer:
            assert int(answer.headers.get("content-length", PIECES << 20)) == PIECES << 20
            for part in answer.iter_raw(1 << 20):
                found.update(part)
                seen.append(resident())
        assert found.hexdigest() == digest.hexdigest()
        client.delete("/webhdfs/v1/open/large?op=DELETE")
    assert max(seen) - min(seen) < 48 << 20, "far less than the file's 96 MB"


def test_a_reader_who_stops_holds_up_hdfs_not_the_memory(running: Running, hdfs: HdfsServer) -> None:
    with running.client(running.token()) as client:
        assert create(client, running, "/open/slow", (PIECE for _ in range(PIECES))).status_code == 201
        before = resident()
        with client.stream("GET", location(client.get("/webhdfs/v1/open/slow?op=OPEN"), running)) as answer:
            parts = answer.iter_raw(1 << 16)
            next(parts)
            for _ in range(100):
                threading.Event().wait(0.01)
            assert resident() - before < 32 << 20
        lines = running.lines
        eventually(lambda: any(line.get("path") == "/webhdfs/v1/open/slow" and line["method"] == "GET" for line in lines), "it has ended")
        client.delete("/webhdfs/v1/open/slow?op=DELETE")


def test_who_goes_in_the_middle_of_an_upload(running: Running, hdfs: HdfsServer) -> None:
    def broken() -> Iterator[bytes]:
        yield PIECE
        raise RuntimeError("the source broke")

    with running.client(running.token()) as client:
        with pytest.raises(RuntimeError, match="the source broke"):
            create(client, running, "/open/half", broken())
        assert client.get("/healthz").status_code == 200
    assert not [line for line in running.lines if "defect" in line["event"]], running.lines


def test_a_refused_upload_says_why(running: Running, hdfs: HdfsServer) -> None:
    with running.client(running.token()) as client:
        to = location(client.put("/webhdfs/v1/elsewhere?op=CREATE"), running)
        answer = client.put(to, content=b"x" * 1000)
        assert (answer.status_code, answer.json()["RemoteException"]["exception"]) == (403, "AccessControlException")
        refused = client.put(to.replace("datanode=", "datanode=9"), content=(PIECE for _ in range(4)))
        assert (refused.status_code, error(refused)["message"]) == (400, "there is no such DataNode")


def test_curl_with_one_token(running: Running, hdfs: HdfsServer, tmp_path: Path) -> None:
    given, back = tmp_path / "a.csv", tmp_path / "b.csv"
    given.write_bytes(PIECE)
    token = tmp_path / "header"
    token.write_text(f"Authorization: Bearer {running.token()}\n")
    curl = ["curl", "-sS", "--fail-with-body", "--noproxy", "*", "--cacert", running.certificates.root, "-L", "-H", f"@{token}"]
    subprocess.run([*curl, "-T", str(given), f"{running.url}/webhdfs/v1/open/curl.csv?op=CREATE"], check=True)
    subprocess.run([*curl, "-o", str(back), f"{running.url}/webhdfs/v1/open/curl.csv?op=OPEN"], check=True)
    assert back.read_bytes() == PIECE


def test_hdfs_that_does_not_answer(tmp_path: Path, hdfs: HdfsServer) -> None:
    from dataclasses import replace

    from tests.pools.gateway import running as places

    away = places.behind(hdfs)
    with gateway(tmp_path, replace(away, namenode="127.0.0.1:1")) as other, other.client(other.token()) as client:
        answer = client.get("/webhdfs/v1/?op=LISTSTATUS")
        assert (answer.status_code, error(answer)["code"]) == (502, "unreachable")
