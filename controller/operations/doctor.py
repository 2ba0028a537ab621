"""``bdc doctor``: a table of checks; each says what it found and, where something is wrong, the fix. A check that fails is a finding.

Here is what holds on every substrate; what a machine or Kubernetes adds are further tables (``controller/local/doctor.py``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from controller.errors import ControllerError
from controller.status import ClusterStatus

State = Literal["ok", "warning", "problem", "unknown"]
WORST = ("problem", "unknown", "warning", "ok")
LINES = 300
MANY_RESTARTS = 3
SHOWN = 120
TROUBLE = re.compile(r"\b(ERROR|FATAL|PANIC|CRITICAL|Traceback|OutOfMemoryError|error)\b")
USUAL = re.compile(
    r"INFO|WARN|\"level\": ?\"(info|warning|debug)\"|level=(info|warning)|does not exist|syntax error|permission denied|duplicate key"
    r"|the database system is (starting up|shutting down|not yet accepting connections)"
)
"""What people's own statements cause is no trouble of the cluster, nor that somebody asks while it starts."""


@dataclass(frozen=True)
class Finding:
    """``fix``: the next command or step, where there is something to fix."""

    check: str
    state: State
    message: str
    fix: str | None = None


Check = Callable[[], Iterable[Finding]]
"""Yields findings without a name of the check; nothing at all means that there is nothing to say."""


class View(Protocol):
    """What is known of the cluster."""

    def status(self) -> ClusterStatus:
        """The tree of the last pass."""
        ...

    def tail(self, workload: str, lines: int) -> tuple[str, ...]:
        """The last lines of a log."""
        ...


def ok(message: str) -> Finding:
    """All is well here."""
    return Finding("", "ok", message)


def warning(message: str, fix: str) -> Finding:
    """It works, and won't for ever."""
    return Finding("", "warning", message, fix)


def problem(message: str, fix: str) -> Finding:
    """Something does not work."""
    return Finding("", "problem", message, fix)


def examined(checks: Mapping[str, Check]) -> list[Finding]:
    """All findings, in the table's order, each with its check's name."""
    return [Finding(name, one.state, one.message, one.fix) for name, check in checks.items() for one in _safely(check)]


def worst(findings: Iterable[Finding]) -> State:
    """The state of all of it."""
    states = {finding.state for finding in findings}
    return next((state for state in WORST if state in states), "ok")


def cluster_checks(view: View) -> dict[str, Check]:
    """What the controller can say of its cluster on any substrate."""
    return {"workloads": lambda: workloads(view), "logs": lambda: logs(view)}


def workloads(view: View) -> Iterator[Finding]:
    """What is not healthy, and what was started again and again."""
    tree = view.status()
    instances = [one for service in tree["services"] for resource in service["resources"] for one in resource["instances"]]
    bad = [one for one in instances if one["health"] != "healthy"]
    for one in bad:
        yield problem(f"{one['name']} is {one['state']}: {one['details']}", f"bdc logs {one['name']}")
    for one in instances:
        if one["health"] == "healthy" and one["restarts"] > MANY_RESTARTS:
            yield warning(
                f"{one['name']} was started again {one['restarts']} times", f"bdc logs {one['name']} --lines 1000 shows why it ended"
            )
    if not bad:
        yield ok(f"{len(instances)} workloads, all healthy: {tree['details']}")


def logs(view: View) -> Iterator[Finding]:
    """Errors among the last lines of each log."""
    names = [one["name"] for service in view.status()["services"] for resource in service["resources"] for one in resource["instances"]]
    quiet = 0
    for name in names:
        try:
            found = [line for line in view.tail(name, LINES) if TROUBLE.search(line) and not USUAL.search(line)]
        except ControllerError:
            continue  # it never ran, so it wrote nothing
        if found:
            yield warning(
                f"{name}: {len(found)} errors in its last {LINES} lines, the last: {found[-1][:SHOWN]}", f"bdc logs {name} --lines {LINES}"
            )
        quiet += not found
    yield ok(f"{quiet} logs without errors in their last {LINES} lines")


def _safely(check: Check) -> list[Finding]:
    try:
        return list(check())
    except ControllerError as error:
        return [Finding("", "unknown", error.message, error.hint)]
    except Exception as error:  # noqa: BLE001 - the other checks are to be seen all the same
        return [Finding("", "unknown", f"the check itself failed: {type(error).__name__}: {error}", None)]
