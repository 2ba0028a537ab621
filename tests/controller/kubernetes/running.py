"""Controllers that run inside of the test's process, without their REST API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from controller.errors import NotReadyError
from controller.kubernetes.__main__ import Running, begin, build, let_go
from controller.kubernetes.api import Api
from controller.kubernetes.store import SecretStore
from controller.loop import Loop
from tests.controller.kubernetes.conftest import Place
from tests.patience import PATIENCE


@dataclass
class Operator:
    """A controller. ``ends``: how often it was told to end."""

    running: Running
    ends: list[str] = field(default_factory=list)

    @property
    def loop(self) -> Loop:
        return self.running.controller.loop

    def details(self) -> str:
        """What the API would say of the cluster."""
        try:
            return self.loop.status()["details"]
        except NotReadyError as error:
            return f"{error.message}: {error.hint}"

    @property
    def leads(self) -> bool:
        return self.running.lease.held

    def tells_metrics(self) -> bool:
        """Of the cluster, not only its own."""
        metrics = self.running.controller.services.metrics
        assert metrics is not None
        return b"\nopenbdc_workload_state{" in metrics.own()

    @property
    def store(self) -> SecretStore:
        found = self.running.passes.store
        assert isinstance(found, SecretStore)
        return found


@contextmanager
def operator(place: Place, name: str = "demo", identity: str = "one", api: Api | None = None) -> Iterator[Operator]:
    """One that runs inside of the block; ``api``: as somebody else."""
    ends: list[str] = []
    with place.plane.api() as client:
        found = Operator(build(api or Api(client), place.namespace, name, identity, lambda: ends.append(identity)), ends)
        begin(found.running)
        found.loop.start()
        try:
            yield found
        finally:
            found.loop.stop(PATIENCE)
            let_go(found.running)
