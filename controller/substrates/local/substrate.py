"""The local substrate: carries out workloads over the supervisor's socket (Protocol ``controller.substrate.Substrate``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from controller.accepted import spec_in_force
from controller.errors import SubstrateError
from controller.spec import ClusterSpec
from controller.substrate import Observed, ObservedWorkload
from controller.substrates.local import programs
from controller.substrates.local.layout import ClusterHome
from controller.substrates.local.ports import connections
from controller.substrates.local.render import HOST, Programs, render
from controller.substrates.local.spark import spark_program
from controller.supervisor.client import SupervisorClient
from controller.supervisor.errors import SupervisorError
from controller.supervisor.rendered import Rendered
from pools.workload import Workload

Answer = TypeVar("Answer")


class LocalSubstrate:
    """``LocalSubstrate(cluster_folder)``. Stateless but for found programs; every call is one request to the supervisor."""

    def __init__(self, cluster_folder: Path) -> None:
        self._home = ClusterHome(cluster_folder)
        self._client = SupervisorClient(cluster_folder)
        self._programs = Programs(self._program, lru_cache(programs.classpath))
        self._find = lru_cache(programs.program)
        self._find_spark = lru_cache(spark_program)

    def wanted(self, spec: ClusterSpec, desired: tuple[Workload, ...]) -> tuple[Workload, ...]:
        """A process each: nothing to prepare."""
        return desired

    def observe(self) -> Observed:
        """What the supervisor runs."""
        answer = self._call("list")
        warnings = tuple(f"{one['message']}; {one['fix']}" for one in answer.get("warnings", ()))
        return Observed(tuple(ObservedWorkload(**entry) for entry in answer["workloads"]), warnings)

    def content_hash(self, workload: Workload) -> str:
        """Digest of the rendered workload."""
        return self.rendered(workload).content_hash

    def ensure(self, workload: Workload) -> str:
        """Have it run; a sentence that names the fields that differed."""
        answer = self._call("ensure", workload=self.rendered(workload).json())
        differs = "; ".join(answer["differs"])
        return {"none": "as it was", "started": "started", "updated": f"updated: {differs}", "restarted": f"restarts: {differs}"}[
            answer["action"]
        ]

    def stop(self, name: str, forget: bool = True) -> None:
        """Stop it; with ``forget`` nobody hears of it any more. The data of a service stays."""
        self._call("stop", name=name, forget=forget)

    def renew(self, values: Mapping[str, str]) -> None:
        """Keep these certificates and keys, and lay all certificates again where they are used; nothing restarts."""
        self._call("renew", values=dict(values))

    def rotate(self, kind: str, step: str, seconds: int) -> None:
        """See the supervisor's ``rotating``: ``kind`` tickets or sealing, ``step`` add or drop."""
        self._call("rotate", kind=kind, step=step, seconds=seconds)

    def clients(self, workload: Workload) -> int | None:
        """Connections to its ports, as the kernel lists them."""
        return connections({port.number for port in workload.ports})

    def host(self, name: str) -> str:
        """All on this machine; who listens elsewhere too listens here."""
        return HOST

    def tail(self, name: str, lines: int) -> tuple[str, ...]:
        """Last lines of its log."""
        return tuple(self._call("tail", name=name, lines=lines)["lines"])

    def rendered(self, workload: Workload) -> Rendered:
        """The workload with every placeholder filled in."""
        return _translated(lambda: render(workload, self._home, self._programs))

    def _program(self, name: str) -> str:
        """PostgreSQL's programs come from the folder that the spec names, if it names one; read anew, since the spec may change, and
        the last valid one while it is invalid."""
        if name == "java":
            return self._find(name)
        if name.startswith("spark-"):
            return self._find_spark(name)
        return self._find(name, spec_in_force(self._home.path).spec.pools.master.postgresql.bin)

    def _call(self, op: str, **arguments: object) -> dict[str, Any]:
        return _translated(lambda: self._client.call(op, **arguments))


def _translated(action: Callable[[], Answer]) -> Answer:
    """Errors of supervisor and programs end at this border."""
    try:
        return action()
    except SupervisorError as error:
        raise SubstrateError(error.message, where="supervisor", hint=error.hint) from error
    except programs.ProgramMissingError as error:
        raise SubstrateError(error.message, where="programs", hint=error.hint) from error
    except OSError as error:
        raise SubstrateError(f"the cluster's folder can't be read: {error}", hint="check owner and mode") from error
