"""The gateway's audit trail as the controller reads it: on one machine by a socket, in pods over TLS as who asks here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from controller.auth.tokens import GATEWAY, Caller, Tokens
from controller.errors import NotReadyError
from controller.service_http import over_socket, over_tls
from pools.workload import Workload

SECONDS = 30.0
ROUTE = "/gateway/v1/audit"


@dataclass(frozen=True)
class GatewayTrail:
    """``workload``: the gateway's as the last pass wanted it, None: there is none; NotReadyError before the first. ``run``: its folder on
    this machine; ``host``: under which name it is reached; ``authority``: a file that its certificate is verified with; ``foreign``:
    whether it shows a customer's."""

    tokens: Tokens
    workload: Callable[[], Workload | None]
    run: Callable[[Workload], str]
    host: Callable[[str], str]
    authority: Callable[[], str]
    foreign: Callable[[], bool]

    def ask(self, caller: Caller | None, query: str) -> str | None:
        """JSON; None: there is nothing to ask. OSError, ValueError or http.client.HTTPException; NotReadyError where it can't be asked."""
        found = self.workload()
        if found is None or found.metrics is None:
            return None
        if found.metrics.port is None:
            return over_socket(self.run(found), f"/audit?{query}", "audit")(SECONDS)
        if caller is None:
            return None
        if self.foreign():
            raise NotReadyError(
                "the controller can't verify the certificate of spec.kubernetes.tlsSecret, which it shows; "
                "kubectl logs deployment/gateway has its entries",
                where="gateway",
            )
        token, _ = self.tokens.exchange(caller, GATEWAY)
        port = next(port.number for port in found.ports if port.name == "api")
        login = {"Authorization": f"Bearer {token}"}
        return over_tls(self.host(found.name), port, f"{ROUTE}?{query}", self.authority, login)(SECONDS)
