"""Each app as an OS user of its own: what a hostile app can't do to the proxy and to other apps, seen from inside of it and in /proc; and
that nothing of it is left, whoever is killed."""

from __future__ import annotations

import json
import os
import pathlib
import pwd
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from controller.local.laying import read_spec
from controller.spec import port_numbers
from tests.apps.folders import python
from tests.cluster.closed import hdfs_ports
from tests.cluster.life import green, home_of, kill_and_heal, pids, supervisor_pid, until
from tests.patience import eventually
from tests.services.cluster import Stage
from tests.strangers import only_root

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only in a cluster of root's apps are OS users of their own")

HOSTILE = """
    import ctypes, os, pathlib, signal, socket, sys, time
    def tried(action):
        try:
            return repr(action())[:200]
        except BaseException as error:
            return type(error).__name__
    def escape():
        # out of the session, away from the parent, with no variables: nothing marks it any more but whose it is
        if os.fork() == 0:
            os.setsid()
            ctypes.CDLL(None).prctl(1, 0, 0, 0, 0)
            if os.fork() == 0:
                os.execve(sys.executable, [sys.executable, "-I", "-S", "-c", "import time; time.sleep(3600)"], {})
            os._exit(0)
        os.wait()
        return {"escaped": os.getuid()}
    def reached(port):
        socket.create_connection(("127.0.0.1", port), timeout=60).close()
        return "open"
    def run(proxy, launcher, other, data, code, do):
        if do == "escape":
            return {"found": escape()}
        if do.startswith("reach"):
            return {"found": {port: tried(lambda: reached(int(port))) for port in do.split()[1:]}}
        data = pathlib.Path(data)
        return {"found": {
            "code of the other app": tried(lambda: os.listdir(code)),
            "file of the other app": tried(lambda: (pathlib.Path(code) / "app.py").read_text()),
            "code of all": tried(lambda: os.listdir(data / "code")),
            "keys of the proxy": tried(lambda: (data / "keys.json").read_text()),
            "other keys for the proxy": tried(lambda: (data / "keys.json").write_text("{}")),
            "a file beside them": tried(lambda: (data / "new").write_text("x")),
            "what the proxy keeps": tried(lambda: os.listdir(data / "versions")),
            "secrets of apps": tried(lambda: os.listdir(data / "secrets")),
            "secret of the other app": tried(lambda: (data / "secrets" / "quiet.json").read_text()),
            "logs of apps": tried(lambda: os.listdir(data / "logs")),
            "secrets of the workload": tried(lambda: os.listdir(data.parent / "secrets")),
            "folders of workers": tried(lambda: os.listdir(data / "scratch")),
            "variables of the proxy": tried(lambda: pathlib.Path(f"/proc/{proxy}/environ").read_bytes()),
            "variables of the other app": tried(lambda: pathlib.Path(f"/proc/{other}/environ").read_bytes()),
            "memory of the other app": tried(lambda: open(f"/proc/{other}/mem", "rb").read(1)),
            "descriptors of the launcher": tried(lambda: os.listdir(f"/proc/{launcher}/fd")),
            "end of the proxy": tried(lambda: os.kill(proxy, 0)),
            "end of the launcher": tried(lambda: os.kill(launcher, 0)),
            "end of the other app": tried(lambda: os.kill(other, 0)),
            "root": tried(lambda: os.setuid(0)),
            "the proxy's user": tried(lambda: os.setuid(os.stat(f"/proc/{proxy}").st_uid or 1)),
        }}
"""
INPUTS = "{proxy: int, launcher: int, other: int, data: str, code: str, do: str}"
QUIET = "def run():\n    return 1\n"


def app(stage: Stage, *words: str) -> Any:
    return stage.bdc("app", *words)


def status(pid: int) -> dict[str, str]:
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def of_user(uid: int) -> list[int]:
    """Processes whose real user that is; one that ended and waits for its parent is none."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            told = status(int(entry.name)) if entry.name.isdigit() else {}
        except OSError:
            continue
        if told.get("Uid", "").split()[:1] == [str(uid)] and told["State"][0] not in "ZX":
            found.append(int(entry.name))
    return found


def uid_of(stage: Stage, name: str) -> int:
    """As which that app's workers run, by what the proxy keeps."""
    users = json.loads((data(stage) / "users.json").read_text())["apps"]
    return pwd.getpwnam(f"bdc-{stage.cluster}-app-{users[name] + 1}").pw_uid


def data(stage: Stage) -> pathlib.Path:
    return home_of(stage).workload("app-proxy") / "data"


def launcher_of(worker: int) -> int:
    return int(status(worker)["PPid"])


@pytest.fixture(scope="module")
def apps(cluster: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("apps")
    cluster.bdc("app", "secret", "set", "quiet", "OWN", "--value-stdin", secret="quiet's own\n")
    for name, source, inputs, output in (("hostile", HOSTILE, INPUTS, "{found: dict}"), ("quiet", QUIET, "{}", "{result: int}")):
        made = python(folder / name, source, inputs, output, "secrets: [OWN]" if name == "quiet" else "")
        (made / "spec.yaml").write_text((made / "spec.yaml").read_text().replace("name: t\n", f"name: {name}\n"))
        app(cluster, "create", str(made))
    yield cluster
    for name in ("hostile", "quiet"):
        app(cluster, "delete", f"{name}@v1", "--yes", "--live")


def asked(stage: Stage, do: str) -> dict[str, Any]:
    (other,) = of_user(uid_of(stage, "quiet"))
    proxy, place = pids(home_of(stage))["app-proxy"], data(stage)
    version = (place / "versions" / "quiet@v1.json").read_text()
    code = next(folder for folder in (place / "code").iterdir() if folder.name in version)
    words = f"proxy={proxy},launcher={launcher_of(other)},other={other},data={place},code={code},do={do}"
    found: dict[str, Any] = app(stage, "run", "hostile", "-i", words)["outputParameters"]["found"]
    return found


def test_workers_are_other_users_without_rights(apps: Stage) -> None:
    proxy = status(pids(home_of(apps))["app-proxy"])
    uids = {name: uid_of(apps, name) for name in ("hostile", "quiet")}
    assert len({*uids.values(), int(proxy["Uid"].split()[0]), 0}) == 4
    assert proxy["CapEff"] == proxy["CapPrm"] == "0000000000000000"
    for uid in uids.values():
        (worker,) = of_user(uid)
        found = status(worker)
        assert found["Uid"].split() == [str(uid)] * 4
        assert found["Groups"] == "" and found["Gid"].split() == [str(pwd.getpwuid(uid).pw_gid)] * 4
        assert {found[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} <= {"0000000000000000", "00000000000000e0"}
        assert (found["CapPrm"], found["NoNewPrivs"]) == ("0000000000000000", "1")
        launcher = status(launcher_of(worker))
        assert (launcher["CapPrm"], launcher["CapBnd"], launcher["NoNewPrivs"]) == ("00000000000000e0", "00000000000000e0", "1")


def test_a_hostile_app_reaches_neither_the_proxy_nor_another_app(apps: Stage) -> None:
    found = asked(apps, "look")
    assert found == dict.fromkeys(found, "PermissionError")
    assert len(found) == 21
    assert app(apps, "run", "quiet")["outputParameters"] == {"result": 1}


@only_root
def test_a_hostile_app_reaches_no_port_of_hdfs_which_believes_any_name(apps: Stage) -> None:
    ports = port_numbers(read_spec(home_of(apps)))
    closed = hdfs_ports(apps)
    assert asked(apps, f"reach {' '.join(map(str, closed))} {ports.controller}") == {
        **{str(port): "ConnectionRefusedError" for port in closed},
        str(ports.controller): "'open'",
    }


def test_what_escaped_ends_with_the_workers_of_its_app(apps: Stage) -> None:
    uid = asked(apps, "escape")["escaped"]
    assert len(of_user(uid)) == 2
    (worker,) = [pid for pid in of_user(uid) if "start.py" in pathlib.Path(f"/proc/{pid}/cmdline").read_text()]
    left = {*of_user(uid)}
    os.kill(worker, signal.SIGKILL)
    eventually(lambda: not left & {*of_user(uid)} and len(of_user(uid)) == 1, "it was swept away, and there is another worker")
    eventually(lambda: app(apps, "describe", "hostile@v1")["worker_restarts"] == 1, "the proxy saw its end")
    assert app(apps, "run", "quiet")["outputParameters"] == {"result": 1}


@pytest.mark.parametrize("who", ["proxy", "launcher"])
def test_nothing_is_left_when_one_of_them_is_killed(apps: Stage, who: str) -> None:
    home = home_of(apps)
    uid = asked(apps, "escape")["escaped"]
    (quiet,) = of_user(uid_of(apps, "quiet"))
    before, launcher, proxy = {*of_user(uid), quiet}, launcher_of(quiet), pids(home)["app-proxy"]
    if who == "proxy":
        kill_and_heal(home, "app-proxy")
    else:
        os.kill(launcher, signal.SIGKILL)
        until(lambda: pids(home).get("app-proxy") not in (None, proxy) and green(home), "the proxy was started anew")
    assert not [pid for pid in (*before, launcher, proxy) if pathlib.Path(f"/proc/{pid}").exists()]
    eventually(lambda: app(apps, "run", "quiet")["outputParameters"] == {"result": 1}, "it serves again")
    eventually(lambda: not [*data(apps).glob("left-*")], "folders of workers of before are gone")
    eventually(lambda: [row["state"] for row in app(apps, "list")] == ["Ready", "Ready"], "both serve")


def test_workers_live_on_while_another_supervisor_takes_over(apps: Stage) -> None:
    home = home_of(apps)
    before, supervisor = of_user(uid_of(apps, "quiet")), supervisor_pid(home)
    assert supervisor is not None
    os.kill(supervisor, signal.SIGKILL)
    until(lambda: supervisor_pid(home) not in (None, supervisor) and green(home), "another supervisor took over")
    assert app(apps, "run", "quiet")["outputParameters"] == {"result": 1}
    assert of_user(uid_of(apps, "quiet")) == before
    kill_and_heal(home, "app-proxy")
    assert not {*before} & {*of_user(uid_of(apps, "quiet"))}
    eventually(lambda: [row["state"] for row in app(apps, "list")] == ["Ready", "Ready"], "both serve")
