"""``bdc scale``: compute replicas, shards (buckets are moved), DataNodes. Rows stay readable all the time.

Up: the spec is raised, the new parts are waited for, then tables are spread. Down: tables are moved away, then the spec is lowered.
"""

from __future__ import annotations

from dataclasses import dataclass

from controller.errors import RequestError
from controller.operations.applying import RefusedError
from controller.operations.document import SpecDocument
from controller.operations.engine import Engine
from controller.operations.planning import ClusterPlan, Planner
from controller.operations.record import Operation
from controller.operations.refusals import DATANODES_STAY, PlacedTable
from controller.operations.settling import Settling
from controller.operations.tables import DataTables
from controller.spec.edit import get_value, set_value

KIND = "scale"
FIELDS = {"compute": "spec.pools.compute.replicas", "data": "spec.pools.data.shards", "storage": "spec.pools.storage.dataNodes"}
MOVING = "moving"


@dataclass(frozen=True)
class Scale:
    """Carries it out; ``request``: ``{"pool", "count", "seconds"}``."""

    document: SpecDocument
    settling: Settling
    tables: DataTables

    def step(self, operation: Operation) -> Operation:
        """One step."""
        pool, wanted = str(operation.request["pool"]), int(operation.request["count"])
        text, path = self.document.read(), FIELDS[pool]
        now = int(get_value(self.settling.view.spec(), path))
        if wanted > now or (pool != "data" and wanted < now):
            return self.settling.written(operation, set_value(text, path, str(wanted))) or operation.at("the spec is read")
        if wanted < now:
            moved = self._spread(operation, wanted, now)
            return moved or self.settling.written(operation, set_value(text, path, str(wanted))) or operation.at("the spec is read")
        further = self.settling.settled(operation) or (self._spread(operation, wanted, now) if pool == "data" else None)
        if further:
            return further
        return operation.ended("done", f"the {pool} pool has {wanted} {_unit(pool)} now")

    def _spread(self, operation: Operation, wanted: int, now: int) -> Operation | None:
        """None when all tables lie on the first ``wanted`` of ``now`` shards; else what is being moved."""
        target = tuple(range(wanted))
        misplaced = [table for table in self.tables.placed() if table.shards != target]
        if not misplaced:
            return None
        if gone := [table for table in misplaced if max(table.shards, default=0) >= now]:
            needed = max(gone[0].shards)
            raise RefusedError(
                f"{gone[0].table} in {gone[0].database} has rows on shard {needed}, which was taken away",
                where=f"data-{needed}",
                hint=f"'bdc scale data {needed + 1}' brings it back with its rows; or drop the table",
            )
        if wanted == 0:
            raise RefusedError(f"tables lie on the shards: {misplaced[0].table}", where="pool data", hint="bdc data drop, or keep a shard")
        database = misplaced[0].database
        moving = operation.memo.get(MOVING)
        found = self.tables.look(moving[0], moving[1]) if moving else None
        if found is None or found.state == "done":  # of another database, or tables were made meanwhile
            number = self.tables.begin(database, "resize", {"shards": wanted})
            return operation.at(f"moves the tables of {database} onto {wanted} shards", **{MOVING: [database, number]})
        return operation.at(_phase(str(moving[0]) if moving else database, found.progress, misplaced))


def begin_scale(engine: Engine, planner: Planner, user: str, request: dict[str, object]) -> tuple[ClusterPlan, Operation]:
    """The plan of the spec's change and the operation. RequestError for another pool, RefusedError where it would lose data."""
    pool, count = str(request["pool"]), int(str(request["count"]))
    if pool not in FIELDS:
        raise RequestError(f"the pool {pool[:40]!r} can't be scaled", where="pool", hint=f"there are: {', '.join(FIELDS)}")
    if pool == "storage" and count < planner.current().spec.pools.storage.data_nodes:
        raise RefusedError(DATANODES_STAY, where=FIELDS[pool], hint="fewer copies of new files: spec.pools.storage.replication")
    text = set_value(planner.text(), FIELDS[pool], str(count), "the spec")
    plan = planner.plan(text)
    kept = tuple(refusal for refusal in plan.refused if not (pool == "data" and refusal.path == FIELDS["data"] and count))
    if kept:
        raise RefusedError(kept[0].message, where=kept[0].path, hint=kept[0].hint)
    return plan, engine.begin(KIND, user, {"pool": pool, "count": count, "seconds": request.get("seconds")})


def _phase(database: str, progress: dict[str, object], misplaced: list[PlacedTable]) -> str:
    if "waiting" in progress:
        return f"moving tables of {database}: tries again: {progress['waiting']}"
    rows = progress.get("rows", 0)
    return f"moving tables of {database}: {progress.get('now', misplaced[0].table)}, {rows} rows so far, {len(misplaced)} tables to go"


def _unit(pool: str) -> str:
    return {"compute": "replicas", "data": "shards", "storage": "DataNodes"}[pool]
