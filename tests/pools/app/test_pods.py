"""Versions in pods of their own: called as ever, spread over pods, and what becomes of calls when a pod, the proxy or a token goes."""

from __future__ import annotations

import concurrent.futures
import functools
import pathlib
import re
import signal
import socket
import textwrap

import pytest

from apps.package import pack
from pools.app import wire
from pools.app.wanted import Wanted, asked
from tests.apps.folders import python
from tests.patience import PATIENCE, eventually
from tests.pools.app.hosts import KEY, Hosts, children, hosts, pods
from tests.pools.app.test_versions import app
from tests.services.certificates import laid

__all__ = ["pods"]
WHERE = "__import__('os').getppid()"


def pids(found: Hosts, name: str) -> set[int]:
    """The pods' processes that answer, of twenty calls."""
    with concurrent.futures.ThreadPoolExecutor(4) as clients:
        return {answer.json()["outputParameters"]["result"] for answer in clients.map(lambda _: found.proxy.run(name), range(20))}


def test_it_is_served_by_its_pod_and_the_pod_goes_with_it(pods: Hosts, tmp_path: pathlib.Path) -> None:
    found = pods.create(app(tmp_path / "a", "one", WHERE))
    (pod,) = [pod for pod in pods.processes if pod.startswith("app-one-v1")]
    assert pids(pods, "one") == {pods.processes[pod].pid} and found["workers"] == 1
    wanted = pods.of("one@v1")
    assert re.fullmatch("app-one-v1-[0-9a-f]{6}", wanted.name) and wanted.memory_mb == 512
    assert pods.proxy.workers() == []  # nothing of it is below the proxy
    assert pods.proxy.call("DELETE", "/api/v1/apps/one/v1?live=true").status_code == 200
    assert [one for one in pods.wanted() if one.label == "one@v1"] == []


def test_one_that_waits_for_its_pod_can_be_deleted(pods: Hosts, tmp_path: pathlib.Path) -> None:
    sent = pods.proxy.call("POST", "/api/v1/apps", content=pack(app(tmp_path / "a", "waits", WHERE)).archive)
    assert sent.status_code in (200, 201), sent.text
    pods.of("waits@v1")
    assert pods.proxy.call("GET", "/api/v1/apps/waits/v1").json()["state"] == "Creating"
    answer = pods.proxy.call("DELETE", "/api/v1/apps/waits/v1")
    assert answer.status_code == 200, answer.text
    assert [one for one in pods.wanted() if one.label == "waits@v1"] == []
    gone = pods.proxy.call("GET", "/api/v1/apps/waits/v1")
    assert gone.status_code == 404


def gated(folder: pathlib.Path, name: str, more: str = "") -> pathlib.Path:
    """Answers with the number of its pod's process, if it is to wait: once there is the file ``gate`` beside its folder."""
    gate = str(folder.parent / "gate")
    code = f"""
    import os, time
    def run(wait):
        while wait and not os.path.exists({gate!r}):
            time.sleep(0.02)
        return os.getppid()
    """
    python(folder, textwrap.dedent(code), "{wait: bool}", more=more)
    spec = (folder / "spec.yaml").read_text().replace("name: t", f"name: {name}")
    (folder / "spec.yaml").write_text(spec)
    return folder


def busy(found: Hosts, name: str) -> float:
    """Calls of it that are under way."""
    return found.proxy.metrics().get(("openbdc_app_workers", (name, "busy", "v1")), 0.0)


def test_calls_are_spread_and_a_pod_that_is_killed_takes_its_own_calls_only(pods: Hosts, tmp_path: pathlib.Path) -> None:
    pods.create(gated(tmp_path / "a", "spread", "replicas: 2\npoolsize: 2"), pods=2)
    gone, stays = sorted(pod for pod in pods.processes if pod.startswith("app-spread"))
    lost, left = pods.processes[gone].pid, pods.processes[stays].pid
    eventually(lambda: len(children(lost)) == len(children(left)) == 2, "each pod has its two workers")

    def ask(wait: bool) -> tuple[int, object]:
        answer = pods.proxy.run("spread", wait=wait)
        return answer.status_code, answer.json()["outputParameters"].get("result")

    both = {(200, left), (200, lost)}
    eventually(lambda: {ask(False) for _ in range(4)} == both, "calls go in turn, also when one comes after the other")
    with concurrent.futures.ThreadPoolExecutor(4) as clients:
        slow = [clients.submit(ask, True) for _ in range(4)]
        eventually(lambda: busy(pods, "spread") == 4, "four calls are under way")
        pods.end(gone)
        eventually(lambda: sum(one.done() for one in slow) == 2, "the calls of that pod are over")
        (tmp_path / "gate").touch()
        answers = [one.result() for one in slow]
    assert sorted(answers, key=str) == sorted([(200, left), (200, left), (500, None), (500, None)], key=str)
    assert {ask(False) for _ in range(6)} == {(200, left)}
    pods.make(pods.of("spread@v1"), gone)
    back = pods.processes[gone].pid
    eventually(lambda: len(children(back)) == 2, "the pod that came back has its workers again")
    assert len(children(left)) == 2  # it was given none of the other one's meanwhile


def test_one_that_is_told_to_end_loses_no_call(pods: Hosts, tmp_path: pathlib.Path) -> None:
    pods.create(gated(tmp_path / "a", "drain"))
    (pod,) = [pod for pod in pods.processes if pod.startswith("app-drain")]
    with concurrent.futures.ThreadPoolExecutor(2) as clients:
        first = clients.submit(pods.proxy.run, "drain", wait=True)
        eventually(lambda: busy(pods, "drain") == 1, "it is under way")
        process = pods.processes.pop(pod)
        process.send_signal(signal.SIGTERM)
        second = clients.submit(pods.proxy.run, "drain", wait=False)
        pods.make(pods.of("drain@v1"), f"{pod}-next")
        (tmp_path / "gate").touch()
        assert (first.result().json()["success"], second.result().json()["success"]) == (True, True)
    assert process.wait(PATIENCE) == 0


def test_the_proxy_is_killed_and_the_pods_stay(pods: Hosts, tmp_path: pathlib.Path) -> None:
    pods.create(app(tmp_path / "a", "stays", WHERE))
    (pod,) = [pod for pod in pods.processes if pod.startswith("app-stays")]
    before = pods.of("stays@v1")
    pods.proxy.stop(signal.SIGKILL)
    pods.proxy.start()
    assert pods.of("stays@v1") == before
    eventually(lambda: pods.proxy.run("stays").status_code == 200, "it answers again")
    assert pids(pods, "stays") == {pods.processes[pod].pid}


def test_it_ends_at_once_where_nobody_answers(pods: Hosts) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        nobody = Wanted("0" * 32, "nobody@v1", 1, 2, 64, 1, 600.0)
        process = pods.make(nobody, "nobody", port=silent.getsockname()[1])
        with silent.accept()[0]:
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0
    del pods.processes["nobody"]


def test_an_update_and_another_secret_lose_no_call(pods: Hosts, tmp_path: pathlib.Path) -> None:
    code = "import os\ndef run():\n    return os.environ['S']\n"
    proxy, folder = pods.proxy, python(tmp_path / "a", code, output="{result: str}", more="secrets: [S]")
    (folder / "spec.yaml").write_text((folder / "spec.yaml").read_text().replace("name: t", "name: turns"))
    proxy.call("PUT", "/api/v1/app-secrets/turns/S", json={"value": "first"})
    pods.create(folder)
    assert proxy.run("turns").json()["outputParameters"] == {"result": "first"}
    proxy.call("PUT", "/api/v1/app-secrets/turns/S", json={"value": "second"})
    pods.settled("turns/v1")
    assert proxy.run("turns").json()["outputParameters"] == {"result": "second"}
    old = pods.of("turns@v1").code
    (folder / "app.py").write_text("def run():\n    return 'third'\n")
    pods.create(folder, method="PUT")
    assert proxy.run("turns").json()["outputParameters"] == {"result": "third"}
    eventually(lambda: old not in [one.code for one in pods.wanted()], "the pods of the old package are to go")


@pytest.mark.parametrize(
    ("code", "more", "said"),
    [
        ("1/0\ndef run():\n    return 1\n", "", "division by zero"),
        ("def run():\n    return 1\n", "requirements: ['no-such-package-anywhere==1.0']", "the requirements can't be had"),
    ],
)
def test_what_can_not_be_started_is_an_error_with_the_reason(pods: Hosts, tmp_path: pathlib.Path, code: str, more: str, said: str) -> None:
    folder = python(tmp_path / "a", code, more=more)
    name = "bad" + str(len(more))
    (folder / "spec.yaml").write_text((folder / "spec.yaml").read_text().replace("name: t", f"name: {name}"))
    (folder / "wheels").mkdir()
    (folder / "wheels" / "none.txt").write_text("")
    found = pods.create(folder, state="Error")
    assert said in found["reason"], found
    assert [one for one in pods.wanted() if one.label == f"{name}@v1"] == []


def test_the_log_has_what_a_pod_prints_and_a_crash_is_told(pods: Hosts, tmp_path: pathlib.Path) -> None:
    code = "import os\ndef run(end):\n    os.write(1, b'past python\\n')\n    return os._exit(3) if end else 1\n"
    folder = python(tmp_path / "a", code, "{end: bool}")
    (folder / "spec.yaml").write_text((folder / "spec.yaml").read_text().replace("name: t", "name: prints"))
    pods.create(folder)
    assert pods.proxy.run("prints", end=False).json()["success"] is True
    answer = pods.proxy.run("prints", end=True).json()
    assert answer["error"]["code"] == "app_crashed" and "exit code 3" in answer["errorMessage"]
    assert pods.proxy.run("prints", end=False).json()["success"] is True
    eventually(lambda: "past python" in pods.proxy.call("GET", "/api/v1/apps/prints/v1/log").json()["lines"], "its log has it")


def refused(found: Hosts, pod: str, said: str) -> bool:
    """By what it logged."""
    return said in found.log(pod)


def test_who_does_not_know_the_token_gets_nothing(pods: Hosts, tmp_path: pathlib.Path) -> None:
    answer = pods.proxy.call("POST", "/api/v1/apps", content=pack(app(tmp_path / "a", "shut")).archive)
    assert answer.status_code == 201
    wanted, other = pods.of("shut@v1"), Wanted("0" * 32, "other@v1", 1, 1, 64, 1, 1.0)
    for number, token in enumerate((wire.token("another key", wanted.code), wire.token(KEY, other.code))):
        pods.make(wanted, f"thief-{number}", token)
    pods.make(other, "thief-2")
    for number, said in enumerate(("the token is another one", "the token is another one", "no such pod is wanted")):
        pod = f"thief-{number}"
        eventually(functools.partial(refused, pods, pod, said), "it was refused")
        assert not (pods.proxy.folder / "pods" / pod / "data" / "code").exists()
        pods.end(pod)
    with pytest.raises(ValueError, match="the token is another one"):
        asked(("127.0.0.1", pods.port), "another key", None)
    pods.make(wanted, "right")
    assert pods.settled("shut/v1")["state"] == "Ready"
    assert (pods.proxy.folder / "pods" / "right" / "ready").exists()


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        wire.piece(wire.DATA, b"{}"),
        wire.piece(wire.HELLO, b"[]"),
        wire.piece(wire.HELLO, b"{"),
        wire.piece(wire.HELLO, b"\xff" * 10),
        wire.piece(wire.HELLO, b"[" * 60_000),
        wire.PIECE.pack(wire.HELLO, 2**32 - 1),
        wire.piece(wire.HELLO, wire.text({"op": "wanted", "code": 7, "proof": ["x"]})),
        wire.piece(wire.HELLO, wire.text({"op": "slot", "code": "\ud800", "proof": "\ud800"})),
    ],
    ids=range(9),
)
def test_what_is_no_pod_is_told_to_go(pods: Hosts, said: bytes) -> None:
    with socket.create_connection(("127.0.0.1", pods.port), timeout=PATIENCE) as connection:
        connection.sendall(said)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert b"pods" not in answer and b"taken" not in answer
    pods.wanted()  # it serves on
    assert "Traceback" not in (pods.proxy.folder / "log").read_text()


def test_over_tls_and_one_that_comes_late_is_welcome(tmp_path: pathlib.Path) -> None:
    with hosts(tmp_path / "proxy", laid(tmp_path / "tls"), pods_seconds=1.0) as found:
        answer = found.proxy.call("POST", "/api/v1/apps", content=pack(app(tmp_path / "a", "late", WHERE)).archive)
        assert answer.status_code == 201
        said = found.settled("late/v1", "Error")["reason"]
        wanted = found.of("late@v1")
        assert "none of its pods has called within 1 s" in said and f"openbdc.dev/workload={wanted.name}" in said
        right, found.authority = found.authority, laid(tmp_path / "other").root
        found.make(wanted, "deceived")
        eventually(functools.partial(refused, found, "deceived", "CERTIFICATE_VERIFY_FAILED"), "it does not speak with a stranger")
        with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
            found.wanted()
        found.authority = right
        process = found.make(wanted, "late")
        eventually(lambda: found.proxy.run("late").status_code == 200, "its version is brought up")
        assert pids(found, "late") == {process.pid}


@pytest.mark.parametrize(
    "given",
    [{"code": "x"}, {"label": "a b"}, {"replicas": 0}, {"poolsize": True}, {"threads": 10**6}, {"memory_mb": "1"}, {"more": 1}],
    ids=lambda given: next(iter(given)),
)
def test_what_can_be_no_pod_is_not_made(given: dict[str, object]) -> None:
    right = Wanted("0" * 32, "house@v1", 1, 1, 512, 1, 30.0)
    assert Wanted.read(right.json()) == right
    with pytest.raises(ValueError, match="no description of pods"):
        Wanted.read({**right.json(), **given})


def test_names_are_those_of_kubernetes() -> None:
    longest = Wanted("a" * 32, f"{'n' * 40}@{'1.' * 15}1", 1, 1, 1, 1, 1.0)
    assert len(longest.name) <= 52 and re.fullmatch("[a-z][a-z0-9-]*[a-z0-9]", longest.name)
