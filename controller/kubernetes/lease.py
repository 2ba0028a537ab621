"""Which controller leads: a Lease, renewed every two seconds, taken over once its holder was silent for longer than it lasts.

As in client-go no two clocks are compared: how long a holder was silent is measured by our own clock, from when we saw its last change. The
leader stops acting before others may begin (``HELD_SECONDS`` < ``LEASE_SECONDS``), so a controller that can't reach the API server does
nothing that another one would contradict.
"""

from __future__ import annotations

import datetime
import threading
import time
from collections.abc import Callable

from controller.kubernetes.api import Api, ApiError, Json, path_of
from controller.kubernetes.names import labels, lease_name
from controller.log import Log

LEASE_SECONDS = 15
HELD_SECONDS = 10.0
RENEW_SECONDS = 2.0
API_VERSION = "coordination.k8s.io/v1"
log = Log("lease")


class Lease:
    """``Lease(api, namespace, cluster, identity).start(changed)``; ``held`` may be asked in any thread."""

    def __init__(self, api: Api, namespace: str, cluster: str, identity: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.identity = identity
        self.holder = ""
        self._api = api
        self._namespace = namespace
        self._cluster = cluster
        self._clock = clock
        self._path = path_of(API_VERSION, "Lease", namespace, lease_name(cluster))
        self._renewed = float("-inf")
        self._seen: tuple[str, str] = ("", "")
        self._seen_at = float("-inf")
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def held(self) -> bool:
        """Whether this controller leads."""
        return self.holder == self.identity and self._clock() - self._renewed < HELD_SECONDS

    @property
    def named(self) -> bool:
        """Whether this controller is the last leader that it knows of. True of one at most while the API server is away for all; one that
        alone can't reach it learns of its successor late."""
        return self.holder == self.identity

    def start(self, changed: Callable[[], object]) -> None:
        """Keep trying in a thread; ``changed`` is called when leadership was won or lost."""
        self._thread = threading.Thread(target=self._run, args=(changed,), name="lease", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop, and give the Lease back, so that the next controller need not wait."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join(RENEW_SECONDS + LEASE_SECONDS)
        if not self.held:
            return
        try:
            lease = self._api.get(self._path)
            if lease is not None and lease["spec"].get("holderIdentity") == self.identity:
                lease["spec"]["holderIdentity"] = ""
                self._api.replace(self._path, lease)
        except ApiError as error:
            log.warning("the Lease can't be given back; it ends by itself", message=error.message)
        self._renewed, self.holder = float("-inf"), ""

    def attempt(self) -> None:
        """Take or renew it once, if that is possible. ApiError when the API server refuses or is away."""
        began = self._clock()
        lease = self._api.get(self._path)
        if lease is None:
            self._won(self._api.create(path_of(API_VERSION, "Lease", self._namespace), self._new()), began)
            return
        spec = lease["spec"]
        holder = spec.get("holderIdentity") or ""
        seen = (holder, str(spec.get("renewTime")))
        if seen != self._seen:
            self._seen, self._seen_at = seen, began
        lasts = float(spec.get("leaseDurationSeconds") or LEASE_SECONDS)
        self.holder = holder
        if holder not in ("", self.identity) and began - self._seen_at < lasts:
            return
        if holder != self.identity:
            spec["acquireTime"], spec["leaseTransitions"] = _now(), int(spec.get("leaseTransitions") or 0) + 1
        spec |= {"holderIdentity": self.identity, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": _now()}
        self._won(self._api.replace(self._path, lease), began)

    def _won(self, lease: Json, began: float) -> None:
        self.holder, self._renewed = self.identity, began
        self._seen, self._seen_at = (self.identity, str(lease["spec"]["renewTime"])), began

    def _new(self) -> Json:
        spec = {"holderIdentity": self.identity, "leaseDurationSeconds": LEASE_SECONDS, "leaseTransitions": 0}
        spec |= {"acquireTime": _now(), "renewTime": _now()}
        metadata = {"name": lease_name(self._cluster), "namespace": self._namespace, "labels": labels(self._cluster, "control")}
        return {"apiVersion": API_VERSION, "kind": "Lease", "metadata": metadata, "spec": spec}

    def _run(self, changed: Callable[[], object]) -> None:
        before, told = False, ""
        while not self._ending.is_set():
            try:
                self.attempt()
                told = ""
            except ApiError as error:
                if not error.conflict and error.message != told:
                    log.warning("the Lease can't be renewed", message=error.message)
                    told = error.message
            if self.held != before:
                before = not before
                log.info("leads" if before else "does not lead any more", identity=self.identity, holder=self.holder)
                changed()
            self._ending.wait(RENEW_SECONDS)


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
