"""Names and clock, as this controller sees them."""

from __future__ import annotations

import datetime
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator

from controller.kubernetes.doctor.ground import Ground, unknown
from controller.kubernetes.names import CONTROLLER_SERVICE
from controller.operations.doctor import Finding, ok, problem, warning

PATIENCE = 8.0
SLOW = 2.0
APART, FAR_APART = 5.0, 60.0
"""Seconds between two clocks: of a token that is checked elsewhere, of what is over before it begins."""
IN_A_POD = "KUBERNETES_SERVICE_HOST"
LOOK_AT_DNS = "kubectl -n kube-system get pods -l k8s-app=kube-dns; NetworkPolicies must let pods ask port 53"


def dns(ground: Ground, resolve: Callable[[str], list[str]] | None = None) -> Iterator[Finding]:
    """The name of the controller's own Service."""
    name = f"{CONTROLLER_SERVICE}.{ground.namespace}.svc"
    if resolve is None and IN_A_POD not in os.environ:
        yield unknown("not checked: this controller does not run in a pod, so it asks another DNS", "run it by the chart: bdc create")
        return
    began = time.monotonic()
    found = _resolved(name, resolve or addresses)
    took = time.monotonic() - began
    if isinstance(found, str):
        yield problem(f"{name} has no address: {found}", LOOK_AT_DNS)
    elif took > SLOW:
        yield warning(f"{name} is {', '.join(found)}, which took {took:.1f} s to find out", LOOK_AT_DNS)
    else:
        yield ok(f"{name} is {', '.join(found)}")


def addresses(name: str) -> list[str]:
    """By the pod's own resolver. OSError."""
    return sorted({str(entry[4][0]) for entry in socket.getaddrinfo(name, None, proto=socket.IPPROTO_TCP)})


def _resolved(name: str, resolve: Callable[[str], list[str]]) -> list[str] | str:
    """Addresses, or why there are none; the resolver of the system knows no time limit of ours."""
    answer: list[list[str] | str] = []

    def ask() -> None:
        try:
            answer.append(resolve(name))
        except OSError as error:
            answer.append(str(error))

    thread = threading.Thread(target=ask, name="dns", daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return answer[0] if answer else f"no answer in {PATIENCE:g} s"


def clock(ground: Ground, now: Callable[[], float] = time.time) -> Iterator[Finding]:
    """This controller's against the API server's, whose answer names whole seconds."""
    before = now()
    _, there = ground.api.version()
    after = now()
    begin, end = there.timestamp(), there.timestamp() + 1.0
    apart = max(0.0, begin - after, before - end)
    here = datetime.datetime.fromtimestamp(after, datetime.UTC)
    shown = f"{apart:.0f} s apart: here {here:%H:%M:%S}, API server {there:%H:%M:%S} UTC"
    fix = "have NTP (chrony) run on each node: timedatectl status"
    if apart > FAR_APART:
        yield problem(f"the clocks of this node and the API server's are {shown}; tokens are refused", fix)
    elif apart > APART:
        yield warning(f"the clocks of this node and the API server's are {shown}", fix)
    else:
        yield ok("the clock agrees with the API server's")
