"""The resource's status as the place where a pass shows what it found (``controller.reconcile.Record``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from controller.kubernetes.conditions import CUT, of_outcome, status_of, still
from controller.kubernetes.resource import Resource
from controller.reconcile import Outcome
from controller.spec import ClusterSpec
from controller.status import ClusterStatus, addresses
from pools.workload import Workload

CHANGE = "lastChange"


class ResourceRecord:
    """``host``: under which name a workload is reached; ``identity``: of the controller that writes; ``authority``: PEM certificates with
    which the cluster's servers are verified, empty where it speaks no TLS."""

    def __init__(
        self,
        resource: Resource,
        host: Callable[[Workload], str],
        identity: str,
        authority: Callable[[ClusterSpec | None], str] = lambda _spec: "",
    ) -> None:
        self._resource = resource
        self._host = host
        self._identity = identity
        self._authority = authority

    def last(self) -> ClusterStatus | None:
        """The tree as the resource holds it."""
        status = self._resource.status
        if "services" not in status:
            return None
        tree = {key: status[key] for key in ("state", "health", "services")}
        return cast(ClusterStatus, {"name": self._resource.name, **tree, "details": status.get("message", "")})

    def show(self, outcome: Outcome) -> None:
        """Write the status if it differs."""
        status = still(status_of(outcome, addresses(outcome.desired, self._host), self._resource.name))
        if outcome.status is None and "services" in self._resource.status:
            status = {"services": self._resource.status["services"], **status}
        change = (
            {"message": outcome.sentence[:CUT], "time": self._resource.now()}
            if did_something(outcome)
            else self._resource.status.get(CHANGE)
        )
        status |= {CHANGE: change} if change else {}
        if outcome.spec is not None:
            bundle = self._authority(outcome.spec)
            status |= {"authority": bundle} if bundle else {}
        elif "authority" in self._resource.status:
            status["authority"] = self._resource.status["authority"]
        self._resource.show({**status, "controller": self._identity}, of_outcome(outcome))


def did_something(outcome: Outcome) -> bool:
    """Whether the pass changed anything."""
    return outcome.spec is not None and not outcome.sentence.startswith(("nothing to do", "follows"))
