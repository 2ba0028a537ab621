"""Pods of apps' versions: the app proxy says which it wants, and a pass makes them like everything else.

What it said last is kept in the store. So its pods, which don't need the controller, stay while it is away, also for a controller that was
started meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from controller.errors import ControllerError
from controller.facts import Facts
from controller.log import Log
from controller.spec import ClusterSpec, port_numbers
from controller.store import Store
from controller.substrate import Observed
from controller.workloads import app_settings
from pools.app import wire
from pools.app.wanted import Wanted, asked
from pools.app.workloads import PODS_KEY, PROXY, version_pods
from pools.postgresql import is_loopback
from pools.workload import Workload

FILE = "app_pods.json"
log = Log("apps")


@dataclass
class AppPods:
    """``host``: under which name a workload is reached; ``secret``: a value of the cluster's; ``authority``: path of what servers are
    verified with, None: there is none."""

    store: Store
    facts: Callable[[ClusterSpec], Facts]
    host: Callable[[str], str]
    secret: Callable[[str], str]
    authority: Callable[[], str] | None = None
    _told: str = field(default="", init=False)

    def wanted(self, spec: ClusterSpec, observed: Observed) -> tuple[Workload, ...]:
        """Of all versions. Asks the proxy where it is ready."""
        port, facts = port_numbers(spec).app, self.facts(spec)
        if port is None or is_loopback(facts.listen):
            return ()
        settings, proxy = app_settings(spec, port, facts), observed.find(PROXY)
        if proxy is not None and proxy.state == "ready":
            self._ask(settings.encrypted)
        return tuple(version_pods(settings, one) for one in self._known())

    def _ask(self, encrypted: bool) -> None:
        """Take over what it wants. That it doesn't tell, though it is ready, is said once."""
        try:
            authority = self.authority() if encrypted and self.authority is not None else None
            found = [one.json() for one in asked((self.host(PROXY), wire.PORT), self.secret(PODS_KEY), authority)]
        except (OSError, ValueError, ControllerError) as error:
            if str(error) != self._told:
                self._told = str(error)
                log.warning("the app proxy does not say which pods it wants", message=self._told)
            return
        self._told = ""
        if found != self.store.read(FILE):
            self.store.write(FILE, found)

    def _known(self) -> tuple[Wanted, ...]:
        found = self.store.read(FILE)
        return tuple(Wanted.read(one) for one in found) if isinstance(found, list) else ()
