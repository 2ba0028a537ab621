"""``bdc apply``: a new spec is written, and waited for."""

from __future__ import annotations

from controller.errors import ConflictError, RequestError
from controller.operations.engine import Engine
from controller.operations.planning import ClusterPlan, Planner, digest
from controller.operations.record import Operation
from controller.operations.settling import Settling

KIND = "apply"


class RefusedError(RequestError):
    """The plan refuses a part of the change; nothing was done."""

    code = "refused"


class Apply:
    """Begins it and carries it out."""

    def __init__(self, settling: Settling) -> None:
        self._settling = settling

    def step(self, operation: Operation) -> Operation:
        """One step."""
        text = str(operation.request["text"])
        further = self._settling.written(operation, text) or self._settling.settled(operation)
        return further or operation.ended("done", "the cluster is what the spec says")


def begin_apply(engine: Engine, planner: Planner, user: str, request: dict[str, object]) -> tuple[ClusterPlan, Operation | None]:
    """``request``: ``{"spec", "base", "seconds"}``. The plan that is carried out, and the operation; None where there is nothing to do.
    RefusedError for a change that would lose data, ConflictError when the spec is not the one that was planned against."""
    text = planner.completed(str(request["spec"]))
    plan = planner.plan(text)
    refuse(plan)
    base = request.get("base")
    if base is not None and base != plan.base:
        raise ConflictError(
            "the cluster's spec was changed since this plan was made", where="spec", hint="plan again: bdc plan -f FILE, then apply"
        )
    if digest(text) == plan.base and not plan.workloads:
        return plan, None
    return plan, engine.begin(KIND, user, {"text": text, "seconds": request.get("seconds")})


def refuse(plan: ClusterPlan) -> None:
    """RefusedError with the first refusal, and how many more there are."""
    if plan.refused:
        first, more = plan.refused[0], len(plan.refused) - 1
        raise RefusedError(f"{first.path}: {first.message}" + (f" (and {more} more)" if more else ""), where=first.path, hint=first.hint)
