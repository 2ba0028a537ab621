"""The operations of one controller, put together from the parts that its reconcile loop has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from controller.on_demand import Demand
from controller.operations.applying import KIND as APPLY
from controller.operations.applying import Apply
from controller.operations.document import SpecDocument
from controller.operations.engine import Engine, Step
from controller.operations.planning import Planner
from controller.operations.record import Operations
from controller.operations.refusals import Ground
from controller.operations.scaling import KIND as SCALE
from controller.operations.scaling import Scale
from controller.operations.settling import Settling, View
from controller.operations.tables import DataTables
from controller.operations.upgrading import KIND as UPGRADE
from controller.operations.upgrading import Upgrade
from controller.reconcile import Parts
from controller.spec import ClusterSpec
from controller.store import Store
from controller.substrates.kubernetes.programs import reference
from pools.workload import Workload


@dataclass(frozen=True)
class Operating:
    """What the routes of operations need. ``image_tag``: that of images where the spec names none; None: nothing runs from images."""

    planner: Planner
    engine: Engine
    store: Store
    image_tag: str | None = None

    @property
    def operations(self) -> Operations:
        """The record."""
        return self.engine.operations


def operating(
    parts: Parts, view: View, document: SpecDocument, dsn: Callable[[ClusterSpec], str], acting: Callable[[], bool] = lambda: True
) -> Operating:
    """From the parts of the reconcile loop (``view``). ``dsn``: of the master's superuser; ``acting``: whether this controller is the one
    that carries operations out. Nothing runs until ``engine.start()``."""
    store, tables = parts.store, DataTables(lambda: dsn(view.spec()))

    def resting(desired: tuple[Workload, ...]) -> frozenset[str]:
        asked = Demand(store).asked()
        return frozenset(workload.name for workload in desired if workload.on_demand is not None and workload.name not in asked)

    def ground(_spec: ClusterSpec) -> Ground:
        return Ground(tables.placed_or_unknown, document.machine_only, document.machine_hint)

    tag = document.image_tag
    image = None if tag is None else lambda spec, workload: reference(workload.pool, spec.spec.kubernetes.images, tag)
    planner = Planner(document.read, view.spec, parts.workloads, parts.substrate, resting, ground, image)
    settling = Settling(document, planner, view)
    steps: dict[str, Step] = {APPLY: Apply(settling).step, SCALE: Scale(document, settling, tables).step}
    if tag is not None:
        steps[UPGRADE] = Upgrade(document, settling, tag).step
    return Operating(planner, Engine(Operations(store), steps, acting), store, tag)
