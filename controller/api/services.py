"""What the routes work with, and the view of the cluster that the reconcile loop hands to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import BoundedSemaphore
from typing import Protocol

from fastapi import Request

from controller.api.audit_services import AuditServices
from controller.apps import Apps
from controller.auth.basic import Remembered
from controller.auth.directory.logins import DirectoryLogins
from controller.auth.keys import TokenKeys
from controller.auth.rotation import Rotation
from controller.auth.throttle import Throttle
from controller.auth.tokens import Tokens
from controller.auth.users import Users
from controller.certificates.renewal import Renewal
from controller.metrics import Meters
from controller.metrics_cluster import ClusterMetrics
from controller.operations.assembly import Operating
from controller.operations.doctor import Check
from controller.spark import Spark
from controller.spec import ClusterSpec
from controller.status import ClusterStatus, EndpointStatus

HASHES_AT_ONCE = 2


class ClusterView(Protocol):
    """What is known of the cluster; answers come from the last pass and never block on a pool, except ``tail``."""

    def spec(self) -> ClusterSpec:
        """The spec in force; NotReadyError before the first pass."""
        ...

    def status(self) -> ClusterStatus:
        """The tree of the last pass; NotReadyError before the first."""
        ...

    def endpoints(self) -> list[EndpointStatus]:
        """All addresses."""
        ...

    def tail(self, workload: str, lines: int) -> tuple[str, ...]:
        """The last lines of a workload's log; UnknownNameError when there is none of that name."""
        ...

    def users_changed(self) -> None:
        """Have the loop look at the users at once, and wait a moment for it."""
        ...

    def role_pending(self, name: str) -> bool:
        """Whether the PostgreSQL role of a user still has to follow the user file."""
        ...


@dataclass(frozen=True)
class Services:
    """Everything the routes need."""

    cluster_id: str
    users: Users
    keys: TokenKeys
    tokens: Tokens
    throttle: Throttle
    view: ClusterView
    sealing_key: Callable[[], str]
    """The cluster's public sealing key in base64; NotReadyError when there is none."""
    spark: Spark | None = None
    """Spark's server and jobs; None: this controller has none."""
    apps: Apps | None = None
    """The app pool; None: this controller has none."""
    operating: Operating | None = None
    """Plans and operations; None: nobody can write the spec from here."""
    checks: Callable[[], Mapping[str, Check]] = dict
    """Of the doctor: what the substrate adds to what holds everywhere."""
    metrics: ClusterMetrics | None = None
    """Of the whole cluster; None: nobody can be asked from here."""
    directory: DirectoryLogins | None = None
    """Logins with a directory account; None: there is no way to any."""
    certificates: Renewal | None = None
    """None: this controller keeps none."""
    rotation: Rotation | None = None
    """Of keys that pools hold; None: that can't be done here."""
    audit: AuditServices = field(default_factory=AuditServices)
    """Of all services; as it is made: keeps nothing."""
    meters: Meters = field(default_factory=Meters)
    remembered: Remembered = field(default_factory=Remembered)
    hashing: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(HASHES_AT_ONCE))
    """Password hashes cost 0.2 s and 16 MB each: no more than these at the same time."""


def services_of(request: Request) -> Services:
    """The services of the app that got this request."""
    services = request.app.state.services
    assert isinstance(services, Services)
    return services
