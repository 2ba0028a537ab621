"""From ``spec.ports`` to the numbers: defaults, offsets and the list of all ports with the names of their owners."""

from __future__ import annotations

from dataclasses import dataclass

from controller.spec.model import ClusterSpec, Ports

DEFAULTS = {
    "controller": 30080,
    "app": 30778,
    "gateway": 30443,
    "master": 31433,
    "compute": 31434,
    "data": 31450,
    "tracking": 31487,
    "flight": 31471,
    "namenode": 31500,
    "webhdfs": 31570,
    "spark": 31590,
    "datanode": 31510,
}
DATANODE_PORTS = ("data", "http", "ipc")


@dataclass(frozen=True)
class PortNumbers:
    """Every number of a cluster. ``compute`` has one per replica, ``flight`` too where there is a data pool; ``data`` one per shard;
    ``datanodes`` one ``(data, http, ipc)`` per DataNode; ``spark`` one per Connect server; ``gateway``,
    ``app`` of the proxy and ``tracking``, where there is one."""

    controller: int
    master: int
    compute: tuple[int, ...]
    namenode: int
    webhdfs: int
    datanodes: tuple[tuple[int, int, int], ...]
    data: tuple[int, ...] = ()
    flight: tuple[int, ...] = ()
    spark: tuple[int, ...] = ()
    gateway: int | None = None
    app: int | None = None
    tracking: int | None = None

    def named(self) -> tuple[tuple[str, int], ...]:
        """``(what listens there, number)`` of each port, the storage pool's included only when it has DataNodes."""
        pairs = [("controller", self.controller), ("master", self.master)]
        pairs += [("gateway", self.gateway)] if self.gateway is not None else []
        pairs += [(f"compute-{index}", number) for index, number in enumerate(self.compute)]
        pairs += [(f"compute-{index} flight", number) for index, number in enumerate(self.flight)]
        pairs += [(f"data-{index}", number) for index, number in enumerate(self.data)]
        if self.datanodes:
            pairs += [("namenode", self.namenode), ("webhdfs", self.webhdfs)]
        pairs += [(f"spark-connect-{index}", number) for index, number in enumerate(self.spark)]
        for index, numbers in enumerate(self.datanodes):
            pairs += [(f"storage-0-{index} {kind}", number) for kind, number in zip(DATANODE_PORTS, numbers, strict=True)]
        if self.app is not None:
            pairs.append(("app", self.app))
        if self.tracking is not None:
            pairs.append(("tracking", self.tracking))
        return tuple(pairs)


def port_numbers(spec: ClusterSpec, base: int | None = None) -> PortNumbers:
    """The numbers of a spec. ``base`` takes the place of a ``spec.ports.base`` that is null (0 without it)."""
    ports = spec.spec.ports
    offset = ports.base if ports.base is not None else (base or 0)
    datanode = _number(ports, "datanode", offset)
    pools, storage = spec.spec.pools, spec.spec.pools.storage
    return PortNumbers(
        controller=_number(ports, "controller", offset),
        master=_number(ports, "master", offset),
        compute=_row(_number(ports, "compute", offset), pools.compute.replicas),
        namenode=_number(ports, "namenode", offset),
        webhdfs=_number(ports, "webhdfs", offset),
        datanodes=tuple(
            (first, first + 1, first + 2) for first in (datanode + 3 * index for index in range(storage.data_nodes)) if storage.enabled
        ),
        data=_row(_number(ports, "data", offset), pools.data.shards),
        flight=_row(_number(ports, "flight", offset), pools.compute.replicas if pools.data.shards else 0),
        app=_number(ports, "app", offset) if pools.app.enabled is not False else None,
        tracking=_number(ports, "tracking", offset) if pools.app.enabled is not False and pools.app.tracking.enabled else None,
        gateway=_number(ports, "gateway", offset) if spec.spec.gateway.enabled else None,
        spark=_row(_number(ports, "spark", offset), storage.spark.servers if storage.enabled and storage.spark.enabled else 0),
    )


def with_base(spec: ClusterSpec, base: int) -> ClusterSpec:
    """The same spec in the port block ``base``: what create writes once it found a free one."""
    ports = spec.spec.ports.model_copy(update={"base": base})
    return spec.model_copy(update={"spec": spec.spec.model_copy(update={"ports": ports})})


def _row(first: int, count: int) -> tuple[int, ...]:
    return tuple(range(first, first + count))


def _number(ports: Ports, name: str, offset: int) -> int:
    given: int | None = getattr(ports, name)
    return DEFAULTS[name] + offset if given is None else given
