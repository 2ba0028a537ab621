"""``switch``: 200 calls/s of ``NAME@live`` while versions are created, made live and deleted, twenty times; then while workers are killed.

The calls come at their times on four connections of a process of its own; one that waits delays those behind it, which then follow at once.
Each switch is what people do: ``bdc app create`` of a new version, ``bdc app promote``, ``bdc app delete`` of the old one, whose calls
under way must end. A call that is lost in the first part is a defect; in the second only the one that was in a killed worker may be.
"""

from __future__ import annotations

import collections
import http.client
import json
import os
import pathlib
import random
import signal
import subprocess
import tempfile
import threading
import time
import urllib.parse
from multiprocessing import get_context
from multiprocessing.connection import Connection

from apps.worker.spawning import START
from benchmarks.app import token_of
from benchmarks.report import Figure, Report
from tests.apps.folders import python
from tests.cluster.life import home_of, pids
from tests.services.cluster import Stage, cluster

RATE, CONNECTIONS, SWITCHES, KILLS, BETWEEN = 200, 4, 20, 20, 1.0
CODE = """
import time

def run(n):
    time.sleep(0.002)
    return {"version": "%s", "twice": 2 * n}
"""
Answers = dict[str, int]


def caller(address: str, token: str, asked: Connection) -> None:
    """A process: says that it begins, calls until it is told to end, then says what came (version or failure → count) and its seconds."""
    ended, lock = threading.Event(), threading.Lock()
    found: collections.Counter[str] = collections.Counter()

    def calls(number: int) -> None:
        one, begun, count = _Connection(address, token), time.monotonic(), 0
        while not ended.is_set():
            due = begun + (count * CONNECTIONS + number) / RATE
            time.sleep(max(0.0, due - time.monotonic()))
            said = one.call(count)
            with lock:
                found[said] += 1
            count += 1

    threads = [threading.Thread(target=calls, args=(number,)) for number in range(CONNECTIONS)]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    asked.send("begun")
    asked.recv()
    ended.set()
    for thread in threads:
        thread.join()
    asked.send((dict(found), time.monotonic() - begun))


class _Connection:
    def __init__(self, address: str, token: str) -> None:
        self._parts = urllib.parse.urlsplit(address)
        self._headers = {"Authorization": f"Bearer {token}"}
        self._connection = self._opened()

    def _opened(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self._parts.hostname or "", self._parts.port, timeout=60)

    def call(self, n: int) -> str:
        """The version that answered, or ``failed: …``."""
        try:
            self._connection.request("POST", self._parts.path, json.dumps({"n": n}), self._headers)
            answer = self._connection.getresponse()
            content = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._connection.close()
            self._connection = self._opened()
            return f"failed: {type(error).__name__}"
        if answer.status != 200 or content["outputParameters"]["twice"] != 2 * n:
            return f"failed: {answer.status} {content['errorMessage'][:100]}"
        return str(content["outputParameters"]["version"])


class _Under:
    """Calls in the background, for as long as the ``with`` lasts."""

    def __init__(self, address: str, token: str) -> None:
        self._ours, theirs = get_context("spawn").Pipe()
        self._process = get_context("spawn").Process(target=caller, args=(address, token, theirs))
        self.found: Answers = {}
        self.seconds = 0.0

    def __enter__(self) -> _Under:
        self._process.start()
        self._ours.recv()
        return self

    def __exit__(self, *_: object) -> None:
        self._ours.send("end")
        self.found, self.seconds = self._ours.recv()
        self._process.join()

    @property
    def failed(self) -> Answers:
        """Sentence → how often."""
        return {said: count for said, count in self.found.items() if said.startswith("failed")}


def _folder(place: pathlib.Path, version: str) -> str:
    folder = python(place / version, CODE % version, "{n: int}", "{version: str, twice: int}", "poolsize: 2")
    spec = folder / "spec.yaml"
    spec.write_text(spec.read_text().replace("name: t\nversion: v1", f"name: switched\nversion: {version}"))
    return str(folder)


def _switched(stage: Stage, place: pathlib.Path, count: int) -> None:
    for number in range(2, count + 2):
        stage.bdc("app", "create", "-s", _folder(place, f"v{number}"))
        stage.bdc("app", "promote", f"switched@v{number}")
        stage.bdc("app", "delete", f"switched@v{number - 1}", "--yes")


def _workers(above: int) -> list[int]:
    """Processes of apps below the supervisor ``above``, whoever is their parent."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()]
    parents = {int(pid): int(parent) for pid, parent, *_ in rows}

    def below(pid: int) -> bool:
        while pid > 1 and pid != above:
            pid = parents.get(pid, 0)
        return pid == above

    return [int(row[0]) for row in rows if START.name in row[2] and str(START.parent) in row[2] and below(int(row[0]))]


def _killed(stage: Stage, count: int) -> int:
    """How many workers were killed. RuntimeError where none was found: then nothing was measured."""
    proxy, done = pids(home_of(stage))["app-proxy"], 0
    above = int(pathlib.Path(f"/proc/{proxy}/stat").read_text().rpartition(")")[2].split()[1])
    for _ in range(count):
        if listed := _workers(above):
            os.kill(random.choice(listed), signal.SIGKILL)
            done += 1
        time.sleep(BETWEEN)
    if not done:
        raise RuntimeError("no worker was found to be killed")
    return done


def run(rounds: int | None) -> Report:
    """``rounds``: how many switches, and kills."""
    switches, kills = rounds or SWITCHES, rounds or KILLS
    with cluster() as stage, tempfile.TemporaryDirectory(prefix="openbdc-switch-") as temporary:
        place = pathlib.Path(temporary)
        created = stage.bdc("app", "create", "-s", _folder(place, "v1"))
        assert isinstance(created, dict)
        address, token = str(created["links"]["app"]).replace("/v1/", "/live/"), token_of(stage)
        with _Under(address, token) as under:
            _switched(stage, place, switches)
        with _Under(address, token) as struck:
            killed = _killed(stage, kills)
    calls, later = sum(under.found.values()), sum(struck.found.values())
    versions = len(set(under.found) - set(under.failed))
    return Report(
        "switch",
        (
            Figure("failed_calls", sum(under.failed.values()), "", "<= 0", f"of {calls:,}, answered by {versions} versions"),
            Figure("failed_calls_kill", sum(struck.failed.values()), "", f"<= {killed}", f"of {later:,}, {killed} workers killed"),
            Figure("calls_per_s", calls / under.seconds, "/s"),
        ),
        tuple(f"{said}: {count}" for said, count in [*under.failed.items(), *struck.failed.items()]),
        more={"switches": switches, "calls": calls, "versions": versions, "kills": killed, "calls_kill": later},
    )
