"""The audit trails of all services put together: the controller's own file, what each replica of the compute pool answers, the app
proxy, which is asked as whoever asks here, and the gateway (``controller/gateway_trail.py``)."""

from __future__ import annotations

import http.client
import json
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from controller.api.auditing import Auditing
from controller.apps import Apps
from controller.auth.tokens import Caller
from controller.errors import ControllerError
from controller.gateway_trail import GatewayTrail
from controller.log import Log
from controller.pool_requests import Replica, ask, owner_secret
from pools.audit import Trail
from pools.audit_reading import Line, Wanted, answer_of, merged

AT_ONCE = 8
APP_PROXY, GATEWAY = "app-proxy", "gateway"
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
    """``replicas`` and ``dsn`` (of the master's superuser) raise ControllerError while they are unknown. ``apps`` None: no app pool."""

    own: Auditing = field(default_factory=lambda: Auditing(Trail(None, "control")))
    replicas: Callable[[], tuple[Replica, ...]] = tuple
    dsn: Callable[[], str] = str
    apps: Apps | None = None
    gateway: GatewayTrail | None = None

    def find(self, wanted: Wanted, caller: Caller | None = None) -> tuple[list[Line], list[Told]]:
        """The newest first, and who was asked. ``caller``: an admin; None: nobody is asked who wants to know for whom."""
        told = [self._controllers(wanted), *self._pools(wanted), *self._app_proxys(wanted, caller), *self._gateways(wanted, caller)]
        return merged([list(one.entries) for one in told], wanted.limit), told

    def _controllers(self, wanted: Wanted) -> Told:
        return _told(self.own.trail.service, answer_of(self.own.trail, wanted))

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
            return [_told(APP_PROXY, answer)]
        except (ControllerError, ValueError, LookupError, TypeError) as error:
            return [Told(APP_PROXY, problem=str(error))]

    def _gateways(self, wanted: Wanted, caller: Caller | None) -> list[Told]:
        if self.gateway is None:
            return []
        try:
            said = self.gateway.ask(caller, urllib.parse.urlencode(wanted.json()))
            if said is None:
                return []
            return [_told(GATEWAY, json.loads(said))]
        except (ControllerError, OSError, http.client.HTTPException, ValueError, LookupError, TypeError) as error:
            return [Told(GATEWAY, problem=f"it does not tell its trail: {error}")]


def _told(service: str, answer: Mapping[str, Any]) -> Told:
    """See ``pools.audit_reading.answer_of``. LookupError, TypeError, ValueError for what is none."""
    return Told(service, answer["entries"], int(answer["lost"]), answer["problem"])


def _asked(replica: Replica, secret: str, wanted: Wanted) -> Told:
    try:
        (answer,) = ask(replica, secret, {"action": "audit", "wanted": wanted.json()})
        return _told(replica.name, answer)
    except (ControllerError, ValueError, LookupError, TypeError) as error:
        log.warning("no audit entries", service=replica.name, why=str(error))
        return Told(replica.name, problem=str(error))
