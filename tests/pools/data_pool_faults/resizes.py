"""A resize of one table in the storm: asked for by an administrator, carried out by whichever replica takes it."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass, field

from tests.pools.data_pool_faults.stage import BROKEN, sqlstate
from tests.services.data_pool import DataPool

LOOK_SECONDS = 0.05


@dataclass
class Resize:
    """The table onto the first ``shards`` shards."""

    pool: DataPool
    table: str
    shards: int
    operation: str = field(default_factory=lambda: str(uuid.uuid4()))

    def run(self, seconds: float) -> str:
        """Begun, and waited for: ``done``, ``failed`` with why, ``running`` where it takes longer, ``not begun`` with why."""
        request = json.dumps({"shards": self.shards, "tables": [f"public.{self.table}"]})
        try:
            with self.pool.connect("admin") as connection:
                connection.execute("CALL bdc.start_data_operation(%s::uuid, 'resize', %s::jsonb)", [self.operation, request])
        except BROKEN as error:
            return f"not begun {sqlstate(error)}"
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            ended = self._ended()
            if ended is not None:
                return ended
            time.sleep(LOOK_SECONDS)
        return "running"

    def _ended(self) -> str | None:
        try:
            with self.pool.connect("admin") as connection:
                query = "SELECT state, problem ->> 'sqlstate' FROM bdc.data_operations_view WHERE id = %s"
                ((state, problem),) = connection.execute(query, [self.operation]).fetchall()
        except BROKEN:
            return None
        return f"{state} {problem or ''}".strip() if state in ("done", "failed") else None
