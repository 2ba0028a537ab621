"""create, start, stop, delete over the events of docs/architecture.md, which a stand-in for the cluster's program writes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from azdata_like_cli import local
from tests.azdata_like_cli.conftest import Run
from tests.azdata_like_cli.standin_controller import PASSWORD, StandinController
from tests.patience import PATIENCE

STANDIN = Path(__file__).with_name("standin_local.py")
WAITING = {"event": "progress", "workload": "master-0", "state": "starting", "reason": "waits for port 31433", "seconds": 1.5}


class Program:
    def __init__(self, folder: Path) -> None:
        self.events_file, self.seen_file = folder / "events", folder / "seen"

    def events(self, *events: Any) -> None:
        self.events_file.write_text("".join((event if isinstance(event, str) else json.dumps(event)) + "\n" for event in events))

    @property
    def seen(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.seen_file.read_text())
        return found


@pytest.fixture
def program(home: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    found = Program(home)
    monkeypatch.setenv(local.PROGRAM_VARIABLE, str(STANDIN))
    monkeypatch.setenv("STANDIN_EVENTS", str(found.events_file))
    monkeypatch.setenv("STANDIN_SEEN", str(found.seen_file))
    return found


def cluster_of_this_machine(home: Path, name: str, controller: str) -> None:
    folder = home / "clusters-home" / "clusters" / name
    folder.mkdir(parents=True)
    (folder / "public.json").write_text(json.dumps({"name": name, "controller": controller, "endpoints": []}))


def test_create_passes_the_password_on_stdin_only(
    bdc: Run, program: Program, controller: StandinController, monkeypatch: pytest.MonkeyPatch
) -> None:
    program.events(WAITING, WAITING, {"event": "done", "result": {"name": "demo", "controller": controller.url, "endpoints": []}})
    monkeypatch.setenv("BDC_PASSWORD", PASSWORD)
    outcome = bdc("create", "demo", "-o", "json")
    assert outcome.code == 0, outcome.err
    assert outcome.json == {"name": "demo", "controller": controller.url, "endpoints": [], "username": "admin"}
    assert program.seen["arguments"] == ["create", "--name", "demo", "--timeout", "600"]
    assert json.loads(program.seen["stdin"]) == {"username": "admin", "password": PASSWORD}
    assert "BDC_PASSWORD" not in program.seen["environment"]
    assert outcome.err.count("waits for port 31433") == 1  # the second event said nothing new
    assert "Logged in as admin" in outcome.err
    assert bdc("whoami").code == 0


def test_create_generates_a_password_and_shows_it_once(bdc: Run, program: Program) -> None:
    program.events({"event": "done", "result": {"name": "demo"}})
    outcome = bdc("create", "demo")
    password = json.loads(program.seen["stdin"])["password"]
    assert len(password) >= 30
    assert (outcome.out + outcome.err).count(password) == 1


def test_the_originals_spelling(bdc: Run, program: Program, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "custom").mkdir()
    (home / "custom" / "bdc.yaml").write_text("")
    program.events({"event": "done", "result": {"name": "demo"}})
    monkeypatch.setenv("AZDATA_PASSWORD", "from-azdata")
    monkeypatch.setenv("AZDATA_USERNAME", "root")
    assert bdc("bdc", "create", "-n", "demo", "-c", str(home / "custom"), "--accept-eula", "yes").code == 0
    assert program.seen["arguments"][:5] == ["create", "--name", "demo", "--spec", str(home / "custom" / "bdc.yaml")]
    assert json.loads(program.seen["stdin"]) == {"username": "root", "password": "from-azdata"}


@pytest.mark.parametrize(("category", "code"), [("user", 1), ("service", 3), ("internal", 5)])
def test_an_error_event(bdc: Run, program: Program, category: str, code: int) -> None:
    failed = {"code": "x", "message": "master-0 did not start", "where": "master-0", "why": "port 31433 is taken by PID 7 (postgres)"}
    program.events({"event": "error", "error": {**failed, "hint": "bdc logs master-0", "log": ["last \x1b line"], "category": category}})
    outcome = bdc("create", "demo")
    assert (outcome.code, outcome.out) == (code, "")
    for words in ("bdc: error: master-0 did not start", "port 31433 is taken", "last \\x1b line", "bdc logs master-0"):
        assert words in outcome.err


@pytest.mark.parametrize("events", [[], ["no json"], [WAITING], ["[1]"]], ids=str)
def test_a_program_that_breaks_the_contract(bdc: Run, program: Program, events: list[Any]) -> None:
    program.events(*events)
    outcome = bdc("create", "demo")
    assert outcome.code == 5
    assert "Traceback" not in outcome.err


def test_ctrl_c_is_passed_on_once_and_says_what_is_left(program: Program) -> None:
    program.events(
        {"wait": True},
        {"event": "error", "error": {"message": "interrupted", "hint": "'bdc create demo' completes it", "category": "user"}},
    )
    command = [sys.executable, "-m", "azdata_like_cli", "create", "demo"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None and running.stdout is not None
        while "for Ctrl-C" not in running.stderr.readline():
            assert running.poll() is None
        running.send_signal(signal.SIGINT)
        rest = running.stderr.read()
        assert running.wait(PATIENCE) == 130
        assert running.stdout.read() == ""
    assert "'bdc create demo' completes it" in rest
    assert "Traceback" not in rest


def test_sigterm_ends_the_program_too(program: Program) -> None:
    program.events({"wait": True})
    command = [sys.executable, "-m", "azdata_like_cli", "create", "demo"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        while "for Ctrl-C" not in running.stderr.readline():
            assert running.poll() is None
        running.send_signal(signal.SIGTERM)
        assert running.wait(PATIENCE) == 143
    time.sleep(0.1)
    assert not _processes_with(str(program.events_file))


def _processes_with(text: str) -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/environ"):
        try:
            if text.encode() in entry.read_bytes() and int(entry.parent.name) != os.getpid():
                found.append(entry.parent.name)
        except OSError:
            continue
    return found


def test_without_the_cluster_distribution(bdc: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    for words in (("create", "demo"), ("config", "validate")):
        outcome = bdc(*words)
        assert outcome.code == 1
        assert "pip install 'openbdc[local]'" in outcome.err


@pytest.mark.parametrize("name", ["../x", "a/b", "A", "", "a b", "-x", "x" * 21, "ä", "a\n", "a-", ".."])
@pytest.mark.parametrize("verb", ["create", "start", "stop", "delete"])
def test_cluster_names_that_are_refused(bdc: Run, program: Program, verb: str, name: str) -> None:
    outcome = bdc(verb, "--", name)
    assert outcome.code == 1
    assert not program.seen_file.exists()


def test_delete_asks(bdc: Run, program: Program, home: Path) -> None:
    cluster_of_this_machine(home, "demo", "http://127.0.0.1:1")
    program.events({"event": "done", "result": {}})
    for answer in ("n\n", ""):
        assert bdc("delete", "demo", stdin=answer).code == 1
        assert not program.seen_file.exists()
    assert bdc("delete", "demo", stdin="y\n").code == 0
    assert program.seen["arguments"] == ["delete", "--name", "demo"]


def test_delete_forgets_the_contexts(bdc: Run, program: Program, home: Path, logged_in: StandinController) -> None:
    cluster_of_this_machine(home, "demo", logged_in.url)
    program.events({"event": "done", "result": {}})
    assert bdc("delete", "demo", "--yes").code == 0
    assert bdc("context", "list", "-o", "json").json == []


def test_list_start_and_the_only_cluster(bdc: Run, program: Program, home: Path, controller: StandinController) -> None:
    assert bdc("list", "-o", "json").json == []
    assert bdc("start").code == 1
    cluster_of_this_machine(home, "one", controller.url)
    program.events({"event": "done", "result": {}})
    assert bdc("start").code == 0
    assert program.seen["arguments"][:3] == ["start", "--name", "one"]
    cluster_of_this_machine(home, "two", "http://127.0.0.1:1")
    assert [(row["name"], row["state"]) for row in bdc("list", "-o", "json").json] == [("one", "running"), ("two", "no answer")]
    several = bdc("stop")
    assert several.code == 1
    assert "one, two" in several.err


def test_recover_admin(bdc: Run, program: Program, home: Path) -> None:
    cluster_of_this_machine(home, "demo", "http://127.0.0.1:1")
    program.events({"event": "done", "result": {}})
    outcome = bdc("user", "recover-admin", "demo", "--password-stdin", stdin="new-secret\n")
    assert outcome.code == 0, outcome.err
    assert json.loads(program.seen["stdin"]) == {"username": "admin", "password": "new-secret"}
    assert "new-secret" not in outcome.out + outcome.err


def test_damaged_public_file(bdc: Run, home: Path) -> None:
    cluster_of_this_machine(home, "demo", "http://x")
    (home / "clusters-home" / "clusters" / "demo" / "public.json").write_text("{")
    outcome = bdc("list")
    assert outcome.code == 1
    assert "can't be read" in outcome.err


def test_config_with_the_real_program(bdc: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    assert bdc("config", "init", "--name", "sales").code == 0
    assert bdc("config", "init").code == 1
    assert bdc("config", "validate").code == 0
    assert bdc("bdc", "config", "replace", "-p", "bdc.yaml", "-j", "$.spec.ports.base=2000").code == 0
    assert bdc("config", "show", "bdc.yaml", "spec.ports.base", "-o", "json").json == 2000
    assert bdc("bdc", "config", "show", "-c", "bdc.yaml", "-j", "$.metadata.name").out == "sales\n"
    assert bdc("config", "show", "-o", "json").json["metadata"]["name"] == "sales"
    wrong = bdc("config", "set", "bdc.yaml", "spec.ports.base=nonsense")
    assert wrong.code == 1
    assert "spec.ports.base" in wrong.err
    (home / "bdc.yaml").write_text("kind: Nope\nnonsense: 1\n")
    invalid = bdc("config", "validate")
    assert invalid.code == 1
    assert "nonsense" in invalid.err and ":2" in invalid.err
    assert bdc("config", "validate", "-", stdin="a: [").code == 1
    assert bdc("config", "init", "--source", "nope", "x.yaml").code == 1
    assert bdc("bdc", "config", "init", "-s", "local", "-p", "custom", "-a", "yes").code == 0
    assert (home / "custom" / "bdc.yaml").exists()
    assert "local" in bdc("config", "list").out
