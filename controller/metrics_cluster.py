"""The metrics of the whole cluster as one text: the controller's own, and what every service says when it is asked now.

One address for Prometheus, the same on one machine and on Kubernetes, with the same labels. Scrapes at the same time share one answer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from controller import metrics, metrics_hdfs, metrics_master
from controller.certificates.authority import CertificateError
from controller.errors import ControllerError
from controller.jobs import Job
from controller.log import Log
from controller.metrics_merge import Families
from controller.metrics_scrape import Target, gather
from controller.service_http import over_socket, over_tcp, over_tls
from controller.status import ClusterStatus
from pools.exposition import Sample, text
from pools.workload import Workload

log = Log("metrics")
SHARED_SECONDS = 1.0
MASTER = "master-0"
HDFS = "hdfs"


@dataclass(frozen=True)
class Ways:
    """How services are reached. ``host``: by a workload's name; ``run``: the folder ``{run}`` of a workload on this machine; ``dsn``: of
    the master's superuser; ``authority``: path of a file with the authorities' certificates."""

    host: Callable[[str], str]
    dsn: Callable[[], str]
    run: Callable[[Workload], str] = lambda workload: workload.pool_instance or workload.name
    authority: Callable[[], str] = str


@dataclass
class ClusterMetrics:
    """Thread-safe. ``status`` and ``desired`` are the last pass's; they raise NotReadyError before the first."""

    meters: metrics.Meters
    ways: Ways
    status: Callable[[], ClusterStatus]
    desired: Callable[[], tuple[Workload, ...]]
    jobs: Callable[[], list[Job]] = list
    acting: Callable[[], bool] = lambda: True
    """Whether this controller speaks for the cluster: of several one does, so that nothing is counted twice."""
    certificates: Callable[[], Mapping[str, float]] = dict
    """Seconds that are left of each; ControllerError."""

    _turn: threading.Lock = field(default_factory=threading.Lock)
    _told: tuple[float, bytes] = (-SHARED_SECONDS, b"")

    def own(self) -> bytes:
        """The controller's."""
        return text(metrics.TABLE, self.meters.book, (lambda: metrics.process(self.meters), self._cluster))

    def whole(self) -> bytes:
        """The cluster's."""
        with self._turn:
            at, told = self._told
            if time.monotonic() - at < SHARED_SECONDS:
                return told
            families = Families()
            families.add(self.own().decode())
            gather(self._targets(), families)
            told = families.text().encode()
            self._told = time.monotonic(), told
            return told

    def _cluster(self) -> Iterator[Sample]:
        if not self.acting():
            return
        yield from metrics.jobs(self.jobs())
        yield from self._certificates()
        try:
            yield from metrics.cluster(self.status())
        except ControllerError:
            return  # before the first pass nothing is known

    def _certificates(self) -> Iterator[Sample]:
        try:
            left = self.certificates()
        except (ControllerError, CertificateError) as error:
            log.warning("certificates can't be told", why=str(error))
            return
        for name, seconds in left.items():
            yield metrics.CERTIFICATES, (name,), seconds

    def _targets(self) -> Sequence[Target]:
        if not self.acting():
            return ()
        try:
            wanted, resting = self.desired(), _resting(self.status())
        except ControllerError:
            return ()
        found = [self._target(workload) for workload in wanted if workload.metrics is not None and workload.name not in resting]
        master = [Target(one.name, one.pool, metrics_master.reading(self.ways.dsn)) for one in wanted if one.name == MASTER]
        return master + found

    def _target(self, workload: Workload) -> Target:
        scrape = workload.metrics
        assert scrape is not None
        if scrape.port is None:
            return Target(workload.name, workload.pool, over_socket(self.ways.run(workload)))
        number = next(port.number for port in workload.ports if port.name == scrape.port)
        host = self.ways.host(workload.name)
        read = over_tls(host, number, scrape.path, self.ways.authority) if scrape.encrypted else over_tcp(host, number, scrape.path)
        return Target(workload.name, workload.pool, metrics_hdfs.reading(read) if workload.service == HDFS else read)


def _resting(status: ClusterStatus) -> frozenset[str]:
    """Workloads that nobody wants to run now."""
    return frozenset(
        instance["name"]
        for service in status["services"]
        for resource in service["resources"]
        for instance in resource["instances"]
        if instance["state"] == "stopped"
    )
