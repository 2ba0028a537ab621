"""kill -9 of anything, the supervisor included; lost records; full disks; somebody else at the socket."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from controller.supervisor import logs, record
from controller.supervisor.errors import SupervisorError
from controller.supervisor.processes import alive, stat
from tests.controller.supervisor.running import LISTENER, SLEEPER, Running, running_supervisor
from tests.patience import PATIENCE
from tests.services.postgresql import bin_folder, free_port

DAEMONS = """
    import os, subprocess, sys, time
    # a child in a session of its own whose parent is gone at once: nobody's child but the subreaper's
    subprocess.Popen([sys.executable, "-c", "import subprocess, sys; subprocess.Popen(['sleep', '300'], start_new_session=True)"]).wait()
    print("up", flush=True)
    while True: time.sleep(60)
"""


def test_killed_workload_comes_back(supervisor: Running) -> None:
    supervisor.ensure("w")
    pid = supervisor.until_state("w", "ready")["pid"]
    os.kill(pid, signal.SIGKILL)
    supervisor.until(lambda: supervisor.one("w")["pid"] not in (None, pid), "another pid")
    assert supervisor.one("w")["restarts"] == 1
    assert "killed by SIGKILL" in supervisor.folder.log.read_text()


def test_two_killed_at_once_come_back(supervisor: Running) -> None:
    for name in ("a", "b"):
        supervisor.ensure(name)
    pids = {name: supervisor.until_state(name, "ready")["pid"] for name in ("a", "b")}
    for pid in pids.values():
        os.kill(pid, signal.SIGKILL)
    supervisor.until(lambda: all(supervisor.one(n)["pid"] not in (None, pids[n]) for n in pids), "both again")


def test_back_off_grows_and_says_failed(supervisor: Running) -> None:
    supervisor.ensure("w", "import sys; print('no memory', flush=True); sys.exit(9)")
    supervisor.until(lambda: supervisor.one("w")["restarts"] >= 2, "tried twice")
    found = supervisor.until_state("w", "backoff")
    assert "exit code 9; tried again in" in found["reason"]
    assert supervisor.client.call("tail", name="w", lines=1) == {"lines": ["no memory"]}


def test_stop_kills_descendants_with_sessions_of_their_own(supervisor: Running) -> None:
    supervisor.ensure("w", DAEMONS)
    supervisor.until(lambda: "up" in supervisor.log("w"), "up")
    assert "sleep" in supervisor.marked().values()
    supervisor.client.call("stop", name="w", forget=True)
    assert "sleep" not in supervisor.marked().values()
    assert supervisor.all() == {}


def test_stop_kills_what_ignores_the_signal(supervisor: Running) -> None:
    supervisor.ensure("w", "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True)\nwhile True: time.sleep(9)")
    supervisor.until(lambda: "up" in supervisor.log("w"), "up")
    pid = supervisor.one("w")["pid"]
    supervisor.client.call("stop", name="w")
    assert stat(pid) is None and supervisor.one("w")["state"] == "stopped"


def test_killed_supervisor_is_followed_by_one_that_adopts(supervisor: Running) -> None:
    port = free_port()
    supervisor.ensure("w", LISTENER, str(port), ready={"kind": "tcp", "port": port})
    supervisor.ensure("done", "pass", kind="job")
    supervisor.until_state("done", "done")
    before = supervisor.until_state("w", "ready")
    first = supervisor.kill_supervisor()
    supervisor.until(supervisor.answers, "the watcher took over")
    assert supervisor.pid != first
    after = supervisor.until_state("w", "ready")
    assert (after["pid"], after["restarts"], after["started_at"]) == (before["pid"], 0, before["started_at"])
    assert supervisor.one("done")["state"] == "done"
    os.kill(after["pid"], signal.SIGKILL)  # an adopted process is not our child, its end is seen all the same
    supervisor.until(lambda: supervisor.one("w")["restarts"] == 1 and supervisor.one("w")["state"] == "ready", "again")


def test_supervisor_and_workload_killed_at_once(supervisor: Running) -> None:
    supervisor.ensure("w", DAEMONS)
    supervisor.until(lambda: "up" in supervisor.log("w"), "up")
    pid = supervisor.one("w")["pid"]
    orphans = {one for one, command in supervisor.marked().items() if command == "sleep"}
    supervisor.kill_supervisor()
    os.kill(pid, signal.SIGKILL)
    supervisor.until(supervisor.answers, "the next one")
    supervisor.until(lambda: supervisor.one("w")["state"] == "ready" and supervisor.one("w")["pid"] != pid, "started anew")
    assert orphans and not orphans & set(supervisor.marked())


def test_supervisor_and_watcher_killed_then_started_by_hand(supervisor: Running) -> None:
    supervisor.ensure("w")
    pid = supervisor.until_state("w", "ready")["pid"]
    watchers = [one for one, command in supervisor.marked().items() if command == "bdc-watcher"]
    assert len(watchers) == 1
    for one in watchers:
        os.kill(one, signal.SIGKILL)
    supervisor.kill_supervisor()
    assert not supervisor.answers()
    supervisor.start()
    assert supervisor.one("w")["pid"] == pid


def test_killed_watcher_is_replaced(supervisor: Running) -> None:
    def watchers() -> list[int]:
        return [one for one, command in supervisor.marked().items() if command == "bdc-watcher"]

    supervisor.until(lambda: len(watchers()) == 1, "it has a watcher")
    (first,) = watchers()
    os.kill(first, signal.SIGKILL)
    supervisor.until(lambda: len(watchers()) == 1 and watchers() != [first], "another watcher")


def test_pid_of_a_stranger_is_not_adopted(supervisor: Running) -> None:
    """After a reboot the same pid may be anybody's."""
    supervisor.ensure("w")
    supervisor.until_state("w", "ready")
    supervisor.client.call("shutdown")
    supervisor.processes[0].wait(PATIENCE)
    with subprocess.Popen(["sleep", "60"]) as stranger:
        found = json.loads(supervisor.folder.processes.read_text())
        found["workloads"][0] |= {"state": "ready", "main": {"pid": stranger.pid, "started": 1, "program": "/usr/bin/sleep"}}
        supervisor.folder.processes.write_text(json.dumps(found))
        supervisor.start()
        assert supervisor.until_state("w", "ready")["pid"] != stranger.pid
        assert stranger.poll() is None
        stranger.kill()


def test_everything_starts_again_after_a_reboot(supervisor: Running) -> None:
    supervisor.ensure("base")
    supervisor.ensure("top", requires=["base"])
    supervisor.ensure("off")
    supervisor.until_state("top", "ready")
    supervisor.client.call("stop", name="off")
    watchers = [one for one, command in supervisor.marked().items() if command == "bdc-watcher"]
    for pid in (*watchers, supervisor.pid, *(entry["pid"] for entry in supervisor.all().values() if entry["pid"])):
        os.kill(pid, signal.SIGKILL)
    supervisor.processes[0].wait()
    found = json.loads(supervisor.folder.processes.read_text())
    supervisor.folder.processes.write_text(json.dumps({**found, "boot": "another"}))
    supervisor.start()
    supervisor.until_state("top", "ready")
    assert supervisor.one("off")["state"] == "stopped"


def test_corrupt_record_is_kept_aside_and_the_one_before_used(supervisor: Running) -> None:
    supervisor.ensure("w")
    supervisor.ensure("x")
    pid = supervisor.until_state("w", "ready")["pid"]
    os.kill(supervisor.pid, signal.SIGSTOP)
    supervisor.folder.processes.write_text("{ not json")
    supervisor.processes[0].kill()
    supervisor.processes[0].wait()
    supervisor.until(supervisor.answers, "the next one")
    assert "processes.json can't be read (JSONDecodeError); kept as processes.json.corrupt-" in supervisor.folder.log.read_text()
    found = supervisor.until_state("w", "ready")
    assert found["pid"] and len(list(supervisor.folder.supervisor.glob("*.corrupt-*"))) == 1
    assert alive(pid, stat(pid).started) if found["pid"] == pid and stat(pid) else True
    sources = [name for one in supervisor.marked() if (name := Path(f"/proc/{one}/cmdline").read_text()) and SLEEPER.split("\n")[0] in name]
    assert len(sources) == len([entry for entry in supervisor.all().values() if entry["pid"]])


def test_lost_record_leaves_no_strangers_running(supervisor: Running) -> None:
    supervisor.ensure("w")
    pid = supervisor.until_state("w", "ready")["pid"]
    os.kill(supervisor.pid, signal.SIGSTOP)
    supervisor.folder.processes.unlink()
    record.previous(supervisor.folder.processes).unlink(missing_ok=True)
    supervisor.processes[0].kill()
    supervisor.processes[0].wait()
    supervisor.until(supervisor.answers, "the next one")
    supervisor.until(lambda: stat(pid) is None, "the stranger is gone")


def test_second_supervisor_is_refused_with_the_pid(supervisor: Running) -> None:
    command = [sys.executable, "-m", "controller.supervisor", "--cluster-folder", str(supervisor.folder.path)]
    found = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert found.returncode == 3
    assert f"already has a supervisor, pid {supervisor.pid}" in found.stderr


def test_sigterm_is_an_ordered_shutdown() -> None:
    with running_supervisor("--no-watcher") as supervisor:
        supervisor.ensure("w")
        supervisor.until_state("w", "ready")
        supervisor.processes[0].terminate()
        assert supervisor.processes[0].wait(PATIENCE) == 0
        assert supervisor.marked() == {}


def test_unreadable_requests_are_answered(supervisor: Running) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(supervisor.folder.socket))
        connection.sendall(b'nonsense\n[1]\n{"op": "dance"}\n{"op": "ping"}\n')
        answers = [json.loads(line) for _, line in zip(range(4), connection.makefile("rb"), strict=False)]
    assert [answer.get("error", {}).get("code") for answer in answers] == ["invalid_request"] * 3 + [None]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be another user")
def test_other_users_are_not_heard(supervisor: Running) -> None:
    supervisor.folder.supervisor.chmod(0o755)
    supervisor.folder.socket.chmod(0o666)
    path = str(supervisor.folder.socket)
    source = f"import socket; s = socket.socket(socket.AF_UNIX); s.connect({path!r}); s.sendall(b'{{}}\\n'); print(s.recv(999))"
    found = subprocess.run(
        ["/usr/bin/python3", "-c", source], capture_output=True, text=True, user="nobody", group="nogroup", extra_groups=[]
    )
    assert "forbidden" in found.stdout, found.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be another user")
def test_runs_as_the_pools_user() -> None:
    with running_supervisor(users={"master": "nobody"}) as supervisor:
        (supervisor.folder.secrets / "p").write_text("x")
        supervisor.ensure(
            "w", "import os, time; print(os.getuid(), os.getgroups(), flush=True); time.sleep(60)", secrets=[{"name": "p", "file": "p"}]
        )
        supervisor.until(lambda: supervisor.log("w") != "", "it said who it is")
        assert supervisor.log("w").strip() == "65534 []" or "65534" in supervisor.log("w")
        assert (supervisor.folder.workload("w") / "secrets/p").stat().st_uid == 65534
        assert supervisor.folder.workload_log("w").stat().st_uid == 65534


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be another user")
def test_a_pool_that_is_younger_than_the_supervisor_has_its_user() -> None:
    with running_supervisor(users={"control": "nobody"}) as supervisor:
        with pytest.raises(SupervisorError, match="no OS user"):
            supervisor.ensure("w", "import os; print(os.getuid(), flush=True)")
        supervisor.folder.users.write_text(json.dumps({"control": "nobody", "master": "nobody"}))
        supervisor.ensure("w", "import os, time; print(os.getuid(), flush=True); time.sleep(60)")
        supervisor.until(lambda: supervisor.log("w").strip() == "65534", "it runs as the pool's user")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be another user")
def test_a_link_laid_by_the_pools_user_does_not_lead_root_astray() -> None:
    with running_supervisor(users={"master": "nobody"}) as supervisor:
        target = supervisor.folder.secrets / "target"
        target.write_text("kept")
        supervisor.ensure("w", files=[{"path": "x", "content": "evil"}])
        supervisor.until_state("w", "ready")
        config = supervisor.folder.workload("w") / "config"
        (config / "x").unlink()
        config.rmdir()
        config.symlink_to(supervisor.folder.secrets)
        supervisor.ensure("w", files=[{"path": "target", "content": "evil"}])
        supervisor.until_state("w", "failed", "backoff")
        assert target.read_text() == "kept"


def test_lean(supervisor: Running) -> None:
    for number in range(5):
        supervisor.ensure(f"w-{number}")
    supervisor.until_state("w-4", "ready")
    status = Path(f"/proc/{supervisor.pid}/status").read_text()
    rss = int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])
    assert rss < 25_000, f"{rss} kB"


# ---- logs


def test_log_rotates_by_size_and_keeps_five(tmp_path: Path) -> None:
    path = tmp_path / "w.log"
    handle = logs.open_log(path, None)
    for number in range(8):
        os.write(handle, f"{number}\n".encode() * 100)
        assert logs.rotate(path, limit=100)
    os.write(handle, b"after\n")
    os.close(handle)
    assert path.read_text() == "after\n"  # the writer kept its descriptor and went on at the start
    assert sorted(one.name for one in tmp_path.iterdir()) == ["w.log", *(f"w.log.{number}" for number in range(1, 6))]
    assert (tmp_path / "w.log.1").read_text().startswith("7\n") and (tmp_path / "w.log.5").read_text().startswith("3\n")


def test_full_disk_costs_lines_not_the_supervisor(tmp_path: Path) -> None:
    path = tmp_path / "full.log"
    path.symlink_to("/dev/full")
    handler = logs.SteadyHandler(path)
    import logging

    one = logging.LogRecord("supervisor", logging.INFO, "", 0, "lost", None, None)
    handler.emit(one)
    handler.emit(one)
    assert handler.lost == 2
    path.unlink()
    handler.emit(one)
    assert "2 lines before this were lost" in path.read_text()


# ---- PostgreSQL: sessions of their own, and an environment area overwritten by titles


def answers(port: int) -> bool:
    try:
        with psycopg.connect(f"host=127.0.0.1 port={port} user=postgres") as connection:
            return connection.execute("select 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


def test_busy_backend_of_a_killed_postmaster_goes_before_the_next_one() -> None:
    users = {"master": "nobody"} if os.geteuid() == 0 else None
    with running_supervisor(users=users) as supervisor:
        port, data = free_port(), supervisor.folder.workload("master-0") / "data" / "pg"
        initdb = [str(bin_folder() / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "--no-sync", "--locale=C", "-E", "UTF8"]
        workload = {
            "name": "master-0", "pool": "master", "run": "master-0", "stop_signal": "INT",
            "command": [str(bin_folder() / "postgres"), "-D", str(data), "-p", str(port), "-k", "",
                        "-c", "fsync=off", "-c", "listen_addresses=127.0.0.1"],
            "prepare": [{"name": "initdb", "command": initdb, "creates": str(data / "PG_VERSION"), "removes": str(data)}],
            "ready": {"kind": "tcp", "port": port},
        }  # fmt: skip
        supervisor.client.call("ensure", workload=workload)
        postmaster = supervisor.until_state("master-0", "ready")["pid"]
        with psycopg.connect(f"host=127.0.0.1 port={port} user=postgres", autocommit=True) as connection:
            backend = connection.info.backend_pid
            connection.execute("set statement_timeout = 0")
            busy = "do $$ begin loop end loop; end $$"
            with subprocess.Popen(
                [sys.executable, "-c", f"import psycopg; psycopg.connect('host=127.0.0.1 port={port} user=postgres').execute('{busy}')"],
                stderr=subprocess.DEVNULL,
            ) as client:
                supervisor.until(
                    lambda: bool(connection.execute("select pid from pg_stat_activity where query like 'do %'").fetchall()), "busy"
                )
                supervisor.kill_supervisor()  # so that the backends are nobody's children
                os.kill(postmaster, signal.SIGKILL)
                supervisor.until(supervisor.answers, "the next supervisor")
                supervisor.until(
                    lambda: supervisor.one("master-0")["state"] == "ready" and supervisor.one("master-0")["pid"] != postmaster, "again"
                )
                client.wait(PATIENCE)
        assert stat(backend) is None
        supervisor.until(lambda: answers(port), "the next one has recovered: its port is open before")
        supervisor.client.call("stop", name="master-0")
        assert "database system is shut down" in supervisor.log("master-0")
