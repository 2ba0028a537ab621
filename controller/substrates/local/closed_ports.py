"""Which ports of a cluster only its own OS users may reach, laid down for the supervisor, which has the kernel see to it.

HDFS believes any name that it is told, so where each pool is an OS user of its own its ports are for those that need them; people come
through the gateway, which knows who they are. A cluster of a plain user has nothing to close: all that runs is that user's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from controller.spec import ClusterSpec
from controller.store import write_atomic
from controller.substrates.local.layout import ClusterHome
from pools.workload import Workload

SERVICE = "hdfs"
USERS = ("compute", "control", "gateway", "storage")
"""Pools that speak to HDFS: queries and backups; metrics; people's files; HDFS itself and Spark. Never ``app``: its workers run people's
code."""
MODE = 0o600


def lay_closed(home: ClusterHome, spec: ClusterSpec, workloads: Iterable[Workload], users: Mapping[str, str]) -> None:
    """``workloads``: all of the cluster's; ``users``: pool → OS user, empty: all is one user's."""
    closes = bool(users) and spec.spec.pools.storage.reachable_by == "cluster"
    ports = sorted(port.number for one in workloads for port in one.ports if closes and one.service == SERVICE)
    names = [users[pool] for pool in USERS if pool in users]
    write_atomic(home.closed, json.dumps({"ports": ports, "users": names}).encode(), MODE)
