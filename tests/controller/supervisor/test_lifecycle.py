"""Start, probe, prepare, requirements, jobs, change, stop: with real processes."""

from __future__ import annotations

import sys
import textwrap
import time

import pytest

from controller.supervisor.errors import SupervisorError
from tests.controller.supervisor.running import LISTENER, Running
from tests.patience import PATIENCE
from tests.services.postgresql import free_port


def python(source: str) -> list[str]:
    return [sys.executable, "-u", "-c", textwrap.dedent(source)]


def tcp(port: int) -> dict[str, object]:
    return {"kind": "tcp", "port": port, "seconds": 1.0}


def test_becomes_ready_when_the_port_accepts(supervisor: Running) -> None:
    port = free_port()
    assert supervisor.ensure("master-0", LISTENER, str(port), ready=tcp(port)) == {"action": "started", "differs": []}
    found = supervisor.until_state("master-0", "ready")
    assert found["pid"] and found["restarts"] == 0 and "ready after" in found["reason"]
    assert supervisor.ensure("master-0", LISTENER, str(port), ready=tcp(port))["action"] == "none"
    assert supervisor.one("master-0")["pid"] == found["pid"]


def test_names_what_the_probe_waits_for(supervisor: Running) -> None:
    port = free_port()
    supervisor.ensure("slow", ready=tcp(port))
    supervisor.until(lambda: f"port {port} does not accept" in supervisor.one("slow")["reason"], "the reason")
    assert supervisor.one("slow")["state"] == "starting"


def test_http_and_exec_probes(supervisor: Running) -> None:
    port = free_port()
    server = f"""
        import http.server, os
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200 if self.path == "/healthz" else 503); self.end_headers()
        http.server.HTTPServer(("127.0.0.1", {port}), Handler).serve_forever()
    """
    supervisor.ensure("good", server, ready={"kind": "http", "port": port, "path": "/healthz"})
    supervisor.until_state("good", "ready")
    supervisor.ensure("bad", ready={"kind": "http", "port": port, "path": "/else"})
    supervisor.until(lambda: "answers 503" in supervisor.one("bad")["reason"], "503 is told")
    supervisor.ensure("command", ready={"kind": "exec", "command": ["/bin/true"]})
    supervisor.until_state("command", "ready")


def test_unready_after_failures_and_ready_again(supervisor: Running) -> None:
    flag = supervisor.folder.path / "up"
    flag.touch()
    supervisor.ensure("flaky", ready={"kind": "exec", "command": ["/bin/test", "-e", str(flag)]})
    pid = supervisor.until_state("flaky", "ready")["pid"]
    flag.unlink()
    supervisor.until_state("flaky", "unready")
    flag.touch()
    assert supervisor.until_state("flaky", "ready")["pid"] == pid


def test_waits_for_what_it_requires(supervisor: Running) -> None:
    port = free_port()
    supervisor.ensure("second", requires=["first"])
    supervisor.until(lambda: "first (not asked for)" in supervisor.one("second")["reason"], "the reason")
    supervisor.ensure("first", LISTENER, str(port), ready=tcp(port))
    second = supervisor.until_state("second", "ready")
    assert second["since"] >= supervisor.one("first")["since"]


def test_prepare_runs_once_and_is_repeated_after_a_half_made_attempt(supervisor: Running) -> None:
    data = supervisor.folder.workload("db") / "data"
    made, trace = data / "pg", data / "trace"
    step = {
        "name": "initdb",
        "command": python(f"""
            import os, sys
            tries = len(open({str(trace)!r}).read()) if os.path.exists({str(trace)!r}) else 0
            open({str(trace)!r}, "a").write("x")
            os.mkdir({str(made)!r})
            if tries == 0: sys.exit(7)
            open({str(made / "VERSION")!r}, "w").close()
        """),
        "creates": str(made / "VERSION"),
        "removes": str(made),
    }
    supervisor.ensure("db", prepare=[step])
    supervisor.until(lambda: "initdb ended with exit code 7" in supervisor.one("db")["reason"], "why it failed")
    supervisor.until_state("db", "ready")
    assert trace.read_text() == "xx"
    supervisor.client.call("stop", name="db")
    supervisor.ensure("db", prepare=[step])
    supervisor.until_state("db", "ready")
    assert trace.read_text() == "xx"


def test_job_runs_once_per_content(supervisor: Running) -> None:
    source = "open('ran','a').write('x')"
    ran = supervisor.folder.workload("setup") / "data" / "ran"
    supervisor.ensure("setup", source, kind="job")
    supervisor.until_state("setup", "done")
    assert supervisor.ensure("setup", source, kind="job")["action"] == "none"
    supervisor.ensure("setup", source, "v2", kind="job")
    supervisor.until(lambda: ran.read_text() == "xx" and supervisor.one("setup")["state"] == "done", "it ran again")


def test_failing_job_is_tried_again_with_a_reason(supervisor: Running) -> None:
    supervisor.ensure("setup", "import sys; sys.exit(3)", kind="job")
    supervisor.until(lambda: supervisor.one("setup")["restarts"] >= 1, "tried again")
    assert "ended with exit code 3" in supervisor.until_state("setup", "backoff")["reason"]


def test_missing_program_fails_with_its_name(supervisor: Running) -> None:
    supervisor.client.call("ensure", workload={"name": "lost", "command": ["/no/such/program"], "pool": "master", "run": "lost"})
    assert "/no/such/program" in supervisor.until_state("lost", "failed")["reason"]


def test_changed_content_restarts_and_says_which_field(supervisor: Running) -> None:
    supervisor.ensure("w", environment={"A": "1"})
    pid = supervisor.until_state("w", "ready")["pid"]
    answer = supervisor.ensure("w", environment={"A": "2"})
    assert answer == {"action": "restarted", "differs": ["environment.A: '1' → '2'"]}
    supervisor.until(lambda: supervisor.one("w")["state"] == "ready" and supervisor.one("w")["pid"] != pid, "restarted")


def test_changed_probe_does_not_restart(supervisor: Running) -> None:
    supervisor.ensure("w")
    pid = supervisor.until_state("w", "ready")["pid"]
    answer = supervisor.ensure("w", stop_seconds=3.0)
    assert answer == {"action": "updated", "differs": ["stop_seconds: 2.0 → 3.0"]}
    assert supervisor.one("w")["pid"] == pid


def test_files_secrets_and_their_modes(supervisor: Running) -> None:
    secret = supervisor.folder.secrets / "password"
    secret.write_text("s3cret")
    files = [{"path": "a/b.conf", "content": "x = 1"}]
    supervisor.ensure("w", files=files, secrets=[{"name": "password", "file": "pw"}])
    supervisor.until_state("w", "ready")
    home = supervisor.folder.workload("w")
    assert (home / "config/a/b.conf").read_text() == "x = 1"
    assert (home / "secrets/pw").read_text() == "s3cret" and (home / "secrets/pw").stat().st_mode & 0o777 == 0o400
    assert home.stat().st_mode & 0o777 == 0o700
    assert "s3cret" not in supervisor.folder.processes.read_text() + supervisor.folder.log.read_text()
    supervisor.ensure("w", secrets=[{"name": "none", "file": "pw"}])
    supervisor.until(lambda: "secret 'none' is not in" in supervisor.one("w")["reason"], "named")


def test_environment_is_not_inherited(supervisor: Running) -> None:
    supervisor.ensure("w", "import os, json, time; print(sorted(os.environ), flush=True); time.sleep(60)")
    supervisor.until(lambda: "OPENBDC_WORKLOAD" in supervisor.log("w"), "logged")
    names = set(eval(supervisor.log("w")))
    assert names <= {"PATH", "LANG", "HOME", "LC_CTYPE", "OPENBDC_CLUSTER_FOLDER", "OPENBDC_WORKLOAD"}


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", "../x"), ("name", "A"), ("run", "a/b"), ("command", []), ("kind", "cron"), ("files", [{"path": "../x", "content": ""}]),
     ("files", [{"path": "/etc/x", "content": ""}]), ("secrets", [{"name": "../../x", "file": "x"}]), ("surprise", 1)],
)  # fmt: skip
def test_bad_workloads_are_refused(supervisor: Running, field: str, value: object) -> None:
    workload = {"name": "w", "command": ["/bin/true"], "pool": "master", "run": "w", field: value}
    with pytest.raises(SupervisorError) as caught:
        supervisor.client.call("ensure", workload=workload)
    assert caught.value.code == "invalid_workload"
    assert supervisor.all() == {}


def test_stop_and_shutdown_go_against_the_requirements(supervisor: Running) -> None:
    source = """
        import signal, sys, time
        def stop(*_): time.sleep(0.3); print(time.time(), flush=True); sys.exit(0)
        signal.signal(signal.SIGTERM, stop)
        print("up", flush=True)
        while True: time.sleep(60)
    """
    supervisor.ensure("base", source)
    supervisor.ensure("middle", source, requires=["base"])
    supervisor.ensure("top", source, requires=["middle"])
    supervisor.until(lambda: all("up" in supervisor.log(name) for name in supervisor.all()) and len(supervisor.all()) == 3, "all up")
    supervisor.client.call("shutdown")
    ended = [float(supervisor.log(name).split()[-1]) for name in ("top", "middle", "base")]
    assert ended == sorted(ended)
    supervisor.processes[0].wait(PATIENCE)
    time.sleep(0.1)
    assert supervisor.marked() == {}
    assert not supervisor.folder.socket.exists()
