"""Following an operation of the controller until its end, and showing a plan.

The controller goes on without the client: Ctrl-C ends the watching, not the work. It may itself be started anew meanwhile (its own settings
changed), so an address that does not answer is asked again for a while.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

from azdata_like_cli import output
from azdata_like_cli.answers import Records
from azdata_like_cli.local import Progress
from azdata_like_cli.progress import WorkloadProgress
from bdc.controller import Controller
from bdc.errors import BdcError, ConflictError, ServiceError, UnreachableError, UserError

Json = dict[str, object]

LOOK_SECONDS = 0.5
AWAY_SECONDS = 120.0
DURATION = re.compile(r", \d+ s(?= \(and|$)")
USER_CODES = frozenset({"refused", "conflict", "invalid_spec", "amend_refused", "invalid_request"})
ACTIONS = {"start": "starts", "stop": "stops", "restart": "restarts", "update": "is updated, without a restart", "run": "runs once"}


def follow(controller: Controller, operation: Json, title: str) -> Json:
    """Until it has ended; the operation. The error of one that failed or was cancelled."""
    number = int(str(operation["number"]))
    states: dict[str, str] = {}
    try:
        with WorkloadProgress(title) as show:
            for seen in _looks(controller, number):
                show(Progress(str(seen["kind"]), str(seen["state"]), _lasting(seen["phase"]), _seconds(seen)))
                if seen["state"] != "running":
                    operation = seen
                    break
                for event in _instances(controller):
                    if states.setdefault(event.workload, event.state) != event.state:  # what was so before is no news
                        states[event.workload] = event.state
                        show(event)
    except KeyboardInterrupt:
        output.message(f"\nThe operation goes on. Watch it: bdc operation follow {number}. End it: bdc operation cancel {number}")
        raise
    return ended(operation)


def ended(operation: Json) -> Json:
    """One that is done; else its error."""
    if operation["state"] == "cancelled":
        raise ConflictError(str(operation["phase"]), where=f"operation {operation['number']}", hint="bdc plan shows what is")
    if operation["state"] == "failed":
        raise _failure(operation.get("problem"))
    return operation


def _looks(controller: Controller, number: int) -> Iterator[Json]:
    away: float | None = None
    while True:
        try:
            seen = controller.operation(number)
            away = None
        except UnreachableError:
            away = away or time.monotonic()
            if time.monotonic() - away > AWAY_SECONDS:
                raise
            seen = None
        except ServiceError:  # it has just started
            seen = None
        if seen is not None:
            yield seen
        time.sleep(LOOK_SECONDS)


def _lasting(phase: object) -> str:
    """Without the seconds at its end, which would make news of each look."""
    return DURATION.sub("", str(phase))


def _instances(controller: Controller) -> Iterator[Progress]:
    """What is not at rest; nothing while the controller is away."""
    try:
        tree = controller.status(everything=True)
    except ServiceError:
        return
    for service in _list(tree, "services"):
        for resource in _list(service, "resources"):
            for instance in _list(resource, "instances"):
                yield Progress(str(instance["name"]), str(instance["state"]), str(instance["details"]), 0.0)


def _list(node: Json, key: str) -> list[Json]:
    found = node.get(key)
    return found if isinstance(found, list) else []


def _seconds(operation: Json) -> float:
    begun, over = operation.get("begun_at"), operation.get("ended_at")
    return max(0.0, float(str(over or time.time())) - float(str(begun)))


def _failure(problem: object) -> BdcError:
    told = problem if isinstance(problem, dict) else {"message": "it failed, and nobody told why"}
    kind = UserError if told.get("code") in USER_CODES else ServiceError
    return kind(str(told["message"]), where=told.get("where"), why=told.get("why"), hint=told.get("hint"), code=told.get("code"))


def plan_blocks(plan: Json) -> list[tuple[str, Records]]:
    """Title and table of each part of a plan that is not empty."""
    blocks = []
    if changes := _list(plan, "changes"):
        rows = [{**change, "before": _value(change["before"]), "after": _value(change["after"])} for change in changes]
        blocks.append(("Spec", Records(rows=rows, columns={"path": "Field", "before": "Now", "after": "Then"})))
    if workloads := _list(plan, "workloads"):
        rows = [
            {"name": one["name"], "action": ACTIONS.get(str(one["action"]), str(one["action"])), "why": _why(one["why"])}
            for one in workloads
        ]
        blocks.append(("Workloads", Records(rows=rows, columns={"name": "Workload", "action": "What", "why": "Why"})))
    if refused := _list(plan, "refused"):
        blocks.append(("Refused", Records(rows=refused, columns={"path": "Field", "message": "Why", "hint": "Instead"})))
    notes = plan.get("notes")
    if isinstance(notes, list) and notes:
        blocks.append(("Notes", Records(rows=[{"note": note} for note in notes], columns={"note": "Note"})))
    return blocks


def _why(reasons: object) -> str:
    return "; ".join(str(reason) for reason in reasons) if isinstance(reasons, list) else ""


def _value(value: object) -> str:
    return "nothing" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def is_changed(plan: Json) -> bool:
    """Whether anything would happen."""
    return any(_list(plan, part) for part in ("changes", "workloads", "refused"))
