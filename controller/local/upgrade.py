"""``upgrade``: a running cluster goes over to the version that is installed here, pool by pool, each probed before the next.

The new version is best installed into an environment of its own, beside the old one: then what fails to come up is rolled back by starting
what ran before, whose programs are still there. Installed over the old one there is nothing to go back to, and the error says so.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from controller.errors import ControllerError
from controller.local import daemon
from controller.local.create import summary
from controller.local.errors import LocalError
from controller.local.following import until_ready
from controller.local.laying import at_once, check_ports, lay, read_spec
from controller.local.progress import Progress
from controller.plan import by_requirement
from controller.substrates.local.claims import PortClaims
from controller.substrates.local.layout import ClusterHome
from controller.substrates.local.substrate import LocalSubstrate
from controller.supervisor import record
from controller.supervisor.client import SupervisorClient
from controller.supervisor.errors import SupervisorError
from controller.supervisor.processes import stat, table
from controller.supervisor.rendered import Rendered

CONTROL = "control"
PERIOD = 0.2
FAILED_SECONDS = 15.0
SATISFIED = ("ready", "done")


class Runs(Protocol):
    """The supervisor, as far as rolling needs it."""

    def change(self, workload: Rendered) -> None:
        """Have it run with this content, started anew in any case."""
        ...

    def entries(self) -> list[dict[str, Any]]:
        """What runs now."""
        ...


class RollError(Exception):
    """A workload that did not come up with its new content; the ones of before run again where ``back`` says so."""

    def __init__(self, name: str, why: str, back: bool) -> None:
        super().__init__(f"{name}: {why}")
        self.name, self.why, self.back = name, why, back


def roll(groups: list[list[Rendered]], before: dict[str, Rendered] | None, runs: Runs, progress: Progress, seconds: float) -> None:
    """One group after the other: changed, waited for. RollError, after everything that was changed has been changed back to ``before``;
    None: there is nothing to go back to."""
    changed: list[Rendered] = []
    for group in groups:
        for workload in group:
            changed.append(workload)
            runs.change(workload)
            progress.tell(workload.name, "starting", "with the new version")
        try:
            _until_ready([workload.name for workload in group], runs, progress, seconds)
        except RollError as failure:
            if before is not None:
                _changed_back(changed, before, runs, progress, seconds)
            raise RollError(failure.name, failure.why, before is not None) from None


def _changed_back(changed: list[Rendered], before: dict[str, Rendered], runs: Runs, progress: Progress, seconds: float) -> None:
    for workload in changed:  # in the order of requirement, as at a start
        old = before.get(workload.name)
        if old is not None:
            progress.tell(workload.name, "starting", "back to the version of before")
            runs.change(old)
    with contextlib.suppress(RollError):  # what does not come back is told by status; the first failure is the cause
        _until_ready([workload.name for workload in changed if workload.name in before], runs, progress, seconds)


def _until_ready(names: list[str], runs: Runs, progress: Progress, seconds: float) -> None:
    deadline, failing = time.monotonic() + seconds, dict.fromkeys(names, 0.0)
    while True:
        seen = {str(entry["name"]): entry for entry in runs.entries() if entry["name"] in failing}
        progress.tell_all(seen.values())
        waiting = [name for name in names if name not in seen or seen[name]["state"] not in SATISFIED]
        if not waiting:
            return
        now = time.monotonic()
        for name in waiting:
            state, reason = (seen[name]["state"], seen[name]["reason"]) if name in seen else ("starting", "not there yet")
            failing[name] = (failing[name] or now) if state == "failed" else 0.0
            if (failing[name] and now - failing[name] > FAILED_SECONDS) or now > deadline:
                raise RollError(name, f"{state}: {reason}", False)
        time.sleep(PERIOD)


class Supervised:
    """``Runs`` by the supervisor's socket."""

    def __init__(self, home: ClusterHome) -> None:
        self._client = SupervisorClient(home.path)

    def change(self, workload: Rendered) -> None:
        """Stop it first: the same content would be left as it is, though its program's files are others by now."""
        self._client.call("stop", name=workload.name, forget=False)
        self._client.call("ensure", workload=workload.json())

    def entries(self) -> list[dict[str, Any]]:
        """The supervisor's list."""
        found: list[dict[str, Any]] = self._client.call("list")["workloads"]
        return found


def upgrade(home: ClusterHome, seconds: float, progress: Progress) -> dict[str, object]:
    """The result is that of a start. LocalError ``upgrade_failed`` names the workload, why, its log's end, and what runs now."""
    if not daemon.running(home):
        raise LocalError("not_ready", f"the cluster {home.name!r} does not run", hint=f"bdc start {home.name} starts it with this version")
    spec, before = read_spec(home), {entry.workload.name: entry.workload for entry in record.read(home.processes)}
    with PortClaims() as claims:
        check_ports(home, spec, claims)
        workloads = lay(home, spec, progress)
        substrate, runs = LocalSubstrate(home.path), Supervised(home)
        ordered = [workload for workload in by_requirement(at_once(workloads)) if workload.name != CONTROL]
        control = next(substrate.rendered(workload) for workload in workloads if workload.name == CONTROL)
        beside = CONTROL in before and before[CONTROL].command[0] != control.command[0]
        groups: dict[str, list[Rendered]] = {}
        for workload in ordered:
            new, old = substrate.rendered(workload), before.get(workload.name)
            # beside the old environment the same content is the same program; installed over it, its files are others by now
            if not beside or old is None or old.content_hash != new.content_hash:
                groups.setdefault(workload.pool_instance or workload.name, []).append(new)
        try:
            SupervisorClient(home.path).call("stop", name=CONTROL, forget=False)  # it would bring everything in step at once
            roll(list(groups.values()), before if beside else None, runs, progress, seconds)
            replace_supervisor(home, progress)
            runs.change(control)
        except RollError as failure:
            runs.change(before[CONTROL] if failure.back else control)
            raise _failed(home, failure) from failure
        except SupervisorError as error:
            raise LocalError("upgrade_failed", error.message, hint=f"bdc start {home.name}", category="service") from error
        until_ready(home, at_once(workloads), seconds, progress)
    return summary(spec, workloads)


def replace_supervisor(home: ClusterHome, progress: Progress) -> None:
    """The next one is of this version, and adopts what runs. Supervisor and watcher end together, or each would start the other again."""
    pid = int(SupervisorClient(home.path).call("ping")["pid"])
    watchers = [one for one, found in table().items() if found.parent == pid and _comm(one) == "bdc-watcher"]
    progress.tell("supervisor", "starting", "is replaced; pools go on")
    os.kill(pid, signal.SIGSTOP)  # it must not start another watcher between the two
    for one in (*watchers, pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)
    for _ in _patience(10.0):
        found = stat(pid)
        if found is None or found.state in "ZX":
            break
    daemon.start(home)


def _patience(seconds: float) -> Iterator[None]:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield
        time.sleep(0.02)


def _comm(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _failed(home: ClusterHome, failure: RollError) -> LocalError:
    now = (
        "everything runs with the version of before"
        if failure.back
        else "the version of before is gone from this environment: install it again, then bdc upgrade"
    )
    try:
        log = tuple(SupervisorClient(home.path).call("tail", name=failure.name, lines=15)["lines"])
    except (SupervisorError, ControllerError):
        log = ()
    return LocalError(
        "upgrade_failed",
        f"{failure.name} does not come up with the new version; {now}",
        where=failure.name,
        why=failure.why,
        hint=f"bdc logs {failure.name}; bdc status",
        log=log,
        category="service",
    )
