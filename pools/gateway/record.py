"""What the gateway's log and its audit trail say of a request."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import h11

GIVEN_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
SERVICES = {"/spark.connect.SparkConnectService/": "spark", "/arrow.flight.protocol.FlightService/": "flight"}
"""Of gRPC: beginning of the path → route."""


@dataclass
class Told:
    """One request: who, from where, what. Never a token, never a query."""

    address: str
    method: str = "-"
    path: str = "-"
    user: str | None = None
    status: int = 0
    """0: the client was gone before any answer. Of gRPC: 200 for what was passed on, else what HTTP has for it."""
    request_id: str = ""
    route: str = "none"
    """Of the metrics (``metric_table.ROUTES``)."""
    refused: str | None = None
    """The code, where the gateway itself answered with an error."""
    received: int = 0
    sent: int = 0
    """Bytes, from and to the client."""
    content_received: int = 0
    content_sent: int = 0
    """Of these, of bodies (HTTP/1.1)."""
    session: str | None = None
    """The login, as audit trails name it."""
    rule: str | None = None
    """What of ours, or of HDFS, decides about it; None: who is behind the gateway does, and says so in his own trail."""
    action: str | None = None
    objects: tuple[str, ...] = ()
    """With files: what is done, to which."""
    why: str | None = None
    """With files: the exception that HDFS answered with."""
    redirected: bool = False
    """Nothing was done: the client was told where to go on."""

    def called(self, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """A call of gRPC's."""
        given = dict(headers)
        self.method = given.get(b":method", b"-").decode("ascii", "replace")[:20]
        self.path = given.get(b":path", b"-").partition(b"?")[0][:300].decode("ascii", "replace")
        self.route = next((route for prefix, route in SERVICES.items() if self.path.startswith(prefix)), "other")

    def asked(self, request: h11.Request) -> None:
        """What is asked; the query is left out, it may hold anything."""
        self.method = request.method.decode("ascii")[:20]
        self.path = request.target.partition(b"?")[0][:300].decode("ascii", "replace")
        given = dict(request.headers).get(b"x-request-id", b"")
        if GIVEN_ID.fullmatch(given):
            self.request_id = given.decode("ascii")
