"""The audit trails of all services put together: the controller's own file, what each replica of the compute pool answers, the app
proxy, which is asked as whoever asks here, and the gateway, which tells the controller of its machine by a socket."""

from __future__ import annotations

import http.client
import json
import urllib.parse
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from controller.api.auditing import Auditing
from controller.apps import Apps
from controller.auth.tokens import Caller
from controller.errors import ControllerError
from controller.log import Log
from controller.metrics_scrape import trail_over_socket
from controller.pool_requests import Replica, ask, owner_secret
from pools.audit import Trail
from pools.audit_reading import Line, Wanted, found, merged

AT_ONCE = 8
APP_PROXY, GATEWAY = "app-proxy", "gateway"
GATEWAY_SECONDS = 30.0
ELSEWHERE = ""
log = Log("audit")


@dataclass(frozen=True)
class Told:
    """What a service said; ``problem``: why it did not."""

    service: str
    entries: Sequence[Line] = ()
    lost: int = 0
    problem: str | None = None


@dataclass(frozen=True)
class AuditServices:
    """``replicas``, ``dsn`` (of the master's superuser) and ``gateway`` raise ControllerError while they are unknown. ``apps`` None: no app
    pool. ``gateway``: its folder ``{run}`` on this machine; ELSEWHERE: it runs in a pod; None: there is none."""

    own: Auditing = field(default_factory=lambda: Auditing(Trail(None, "control")))
    replicas: Callable[[], tuple[Replica, ...]] = tuple
    dsn: Callable[[], str] = str
    apps: Apps | None = None
    gateway: Callable[[], str | None] = lambda: None

    def find(self, wanted: Wanted, caller: Caller | None = None) -> tuple[list[Line], list[Told]]:
        """The newest first, and who was asked. ``caller``: an admin; None: nobody is asked who wants to know for whom."""
        told = [self._controllers(wanted), *self._pools(wanted), *self._app_proxys(wanted, caller), *self._gateways(wanted)]
        return merged([list(one.entries) for one in told], wanted.limit), told

    def _controllers(self, wanted: Wanted) -> Told:
        trail = self.own.trail
        if trail.file is None:
            return Told(trail.service, problem="this controller keeps no trail")
        try:
            return Told(trail.service, found(trail.file, wanted), trail.lost, trail.problem)
        except OSError as error:
            return Told(trail.service, (), trail.lost, error.strerror)

    def _pools(self, wanted: Wanted) -> list[Told]:
        try:
            replicas = self.replicas()
        except ControllerError as error:
            return [Told("compute", problem=error.message)]
        if not replicas:
            return []
        try:
            secret = owner_secret(self.dsn())
        except ControllerError as error:
            return [Told(one.name, problem=error.message) for one in replicas]
        with ThreadPoolExecutor(min(AT_ONCE, len(replicas)), "audit") as threads:
            return list(threads.map(lambda one: _asked(one, secret, wanted), replicas))

    def _app_proxys(self, wanted: Wanted, caller: Caller | None) -> list[Told]:
        if self.apps is None or caller is None or not self.apps.there():
            return []
        try:
            status, content = self.apps.ask(caller, "GET", f"/api/v1/audit?{urllib.parse.urlencode(wanted.json())}")
            answer = json.loads(content)
            if status != 200:
                return [Told(APP_PROXY, problem=str(answer["errorMessage"]))]
            return [Told(APP_PROXY, answer["entries"], int(answer["lost"]), answer["problem"])]
        except (ControllerError, ValueError, LookupError, TypeError) as error:
            return [Told(APP_PROXY, problem=str(error))]

    def _gateways(self, wanted: Wanted) -> list[Told]:
        try:
            folder = self.gateway()
            if folder is None:
                return []
            if folder == ELSEWHERE:
                return [Told(GATEWAY, problem="its entries are in its pod's log: kubectl logs deployment/gateway")]
            answer = json.loads(trail_over_socket(folder, urllib.parse.urlencode(wanted.json()), GATEWAY_SECONDS))
            return [Told(GATEWAY, answer["entries"], int(answer["lost"]), answer["problem"])]
        except (ControllerError, OSError, http.client.HTTPException, ValueError, LookupError, TypeError) as error:
            return [Told(GATEWAY, problem=f"it does not tell its trail: {error}")]


def _asked(replica: Replica, secret: str, wanted: Wanted) -> Told:
    try:
        (content,) = ask(replica, secret, {"action": "audit", "wanted": wanted.json()})
    except (ControllerError, ValueError) as error:
        log.warning("no audit entries", service=replica.name, why=str(error))
        return Told(replica.name, problem=str(error))
    return Told(replica.name, content.get("entries") or (), int(content.get("lost") or 0), content.get("problem"))
