"""Routes of what administrators have done: plans, and operations that change the spec and are followed until the cluster is so."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Query, Request
from pydantic import Field

from controller.api.access import caller_of, guarded_router
from controller.api.auditing import note
from controller.api.bodies import Body
from controller.api.services import services_of
from controller.errors import UnknownNameError
from controller.operations.applying import begin_apply
from controller.operations.assembly import Operating
from controller.operations.doctor import Finding, cluster_checks, examined
from controller.operations.planning import ClusterPlan
from controller.operations.record import Operation
from controller.operations.scaling import begin_scale
from controller.operations.upgrading import begin_upgrade

router = guarded_router("operations", "/api/v1/bdc")
MOST_CHARACTERS = 60_000
Seconds = Annotated[int, Field(ge=1, le=86_400)]


class PlanRequest(Body):
    """What to plan."""

    spec: str | None = Field(None, max_length=MOST_CHARACTERS)
    """The text of a new ``bdc.yaml``; null: what runs is compared with the spec in force."""


class ApplyRequest(Body):
    """A new spec."""

    spec: str = Field(max_length=MOST_CHARACTERS)
    """The text of a new ``bdc.yaml``."""
    base: str | None = Field(None, max_length=64)
    """``base`` of the plan that was looked at: the apply is refused when the spec was changed since."""
    seconds: Seconds = 600
    """How long the cluster may take to become so."""


class ScaleRequest(Body):
    """How many a pool is to have."""

    pool: Literal["compute", "data", "storage"]
    """compute: replicas; data: shards; storage: DataNodes."""
    count: int = Field(ge=0, le=1000)
    """So many."""
    seconds: Seconds = 600
    """How long new parts may take to be ready; moving rows has no limit."""


class UpgradeRequest(Body):
    """Which images the pools are to run."""

    tag: str | None = Field(None, pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$")
    """Their tag; null: the controller's own version."""
    registry: str | None = Field(None, pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$", max_length=500)
    """Where they come from; null: from where they come now."""
    seconds: Seconds = 300
    """How long each pod may take to be ready."""


class Begun(Body):
    """What an apply, a scale or an upgrade does."""

    plan: ClusterPlan
    """What changes."""
    operation: Operation | None
    """To be followed; null: there is nothing to do."""


@router.post("/plan", summary="What a spec would change")
def plan(request: Request, body: PlanRequest) -> ClusterPlan:
    """Fields of the spec, workloads that start, stop or restart and why, and what is refused. Changes nothing."""
    return operating_of(request).planner.plan(body.spec)


@router.post("/apply", status_code=202, summary="Change the spec")
def apply(request: Request, body: ApplyRequest) -> Begun:
    """Writes the spec and waits until the cluster is so. 409 while another operation is under way, 400 for a refused change."""
    here = operating_of(request)
    wanted: dict[str, object] = {"spec": body.spec, "base": body.base, "seconds": body.seconds}
    found, begun = begin_apply(here.engine, here.planner, caller_of(request).name, wanted)
    return Begun(plan=found, operation=begun)


@router.post("/scale", status_code=202, summary="Change the size of a pool")
def scale(request: Request, body: ScaleRequest) -> Begun:
    """Rows of the data pool are moved before shards go, and after shards have come."""
    here = operating_of(request)
    note(request.state, objects=(f"pool={body.pool}", f"count={body.count}"))
    wanted: dict[str, object] = {"pool": body.pool, "count": body.count, "seconds": body.seconds}
    found, begun = begin_scale(here.engine, here.planner, caller_of(request).name, wanted)
    return Begun(plan=found, operation=begun)


@router.post("/upgrade", status_code=202, summary="Have the pools run other images")
def upgrade(request: Request, body: UpgradeRequest) -> Begun:
    """One pod group after the other, each ready before the next; where one does not come up, all of it goes back. 400 on one machine, and
    for an older version than the one that runs."""
    here = operating_of(request)
    wanted: dict[str, object] = {"tag": body.tag, "registry": body.registry, "seconds": body.seconds}
    found, begun = begin_upgrade(here, caller_of(request).name, wanted)
    return Begun(plan=found, operation=begun)


@router.get("/operations", summary="Operations")
def operations(request: Request, limit: Annotated[int, Query(ge=1, le=100)] = 20) -> list[Operation]:
    """The latest first."""
    return list(operating_of(request).operations.list_all()[:limit])


@router.get("/operations/{number}", summary="One operation")
def operation(request: Request, number: int) -> Operation:
    """How far it is."""
    return operating_of(request).operations.get(number)


@router.delete("/operations/{number}", summary="End an operation")
def cancel(request: Request, number: int) -> Operation:
    """Where it stands: what it has done so far stays."""
    return operating_of(request).operations.cancel(number, caller_of(request).name)


@router.get("/doctor", summary="What is wrong, and how to fix it")
def doctor(request: Request) -> list[Finding]:
    """What the controller can say of its cluster: workloads and their logs, and on Kubernetes of nodes, volumes, quotas, images, versions,
    rights, names and clock; `bdc doctor` adds what it sees of its own machine."""
    services = services_of(request)
    return examined({**cluster_checks(services.view), **services.checks()})


def operating_of(request: Request) -> Operating:
    """Of this controller."""
    found = services_of(request).operating
    if found is None:
        raise UnknownNameError("this controller has no operations")
    return found
