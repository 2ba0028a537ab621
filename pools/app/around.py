"""What the proxy tells its versions of the place that they run in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pools.app.slots import Slots


@dataclass(frozen=True)
class Around:
    """``marks``: variables by which the supervisor knows the cluster's processes. ``processes``: RLIMIT_NPROC of workers; None: no limit,
    because this OS user runs other things too. ``closed``: nothing is written into the folders of code; where the proxy's user is also who
    deletes the cluster, they stay open to it. ``slots``: the OS users of apps; None: workers run as this process's own.
    ``sql``: where the master is, for queries (``sql_apps``), ``sql_tls``: what libpq is told about its TLS. ``pods_key``: each version runs
    in pods of its own, which know tokens made of this; None: below this process. ``pods_seconds``: that a version
    waits for the first."""

    marks: Mapping[str, str]
    processes: int | None
    closed: bool
    drain_seconds: float
    slots: Slots | None = None
    sql: str | None = None
    sql_tls: Mapping[str, str] = field(default_factory=dict)
    pods_key: str | None = None
    pods_seconds: float = 600.0
