"""The app proxy as the compute pool asks it, for one of its users: HTTP on loopback, with a ticket that names the user. Blocks."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pools.compute.errors import StatementError

TICKET_SECONDS = 60.0
ASK_SECONDS = 30.0
AFTER_SECONDS = 15.0
"""What a batch may take beside one call's own limit."""
MAX_ANSWER = 400 * 2**20
AWAY_HINT = "bdc status; bdc logs app-proxy"
Sign = Callable[[str], str]
"""The user's name → a ticket."""

_ROW = re.compile(r"^row \d+: ")
_CODES = {401: "42501", 403: "42501", 404: "42704", 413: "54000", 422: "22023", 503: "55000"}


@dataclass(frozen=True)
class App:
    """One version as it is now. ``inputs``, ``outputs``: names and types of the spec; ``model``: SHA-256 of a model's file, None for what
    is no model; ``digest``: of the package."""

    name: str
    version: str
    digest: str
    runtime: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    timeout: float
    memory_mb: int
    model: str | None
    workers: int = 1

    @property
    def label(self) -> str:
        """``house@v1``."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True)
class AppProxy:
    """``sign``: makes tickets; the proxy holds their public key."""

    host: str
    port: int
    sign: Sign = field(repr=False)

    def describe(self, name: str, version: str, user: str) -> App:
        """StatementError: unknown, not ready, the proxy away."""
        return App(**self._json(Asking(self, ASK_SECONDS), "GET", f"/api/app/{name}/{version}/batch", user))

    def model(self, app: App, user: str) -> bytes:
        """The file whose digest ``app`` names. StatementError, also where it is another one by now."""
        found = self._json(Asking(self, ASK_SECONDS), "GET", f"/api/app/{app.name}/{app.version}/model", user)
        content = base64.b64decode(found["model"])
        if hashlib.sha256(content).hexdigest() != app.model:
            raise StatementError("40001", f"{app.label} was updated just now", hint="Run the query again.")
        return content

    def batch(self, asking: Asking, app: App, columns: Mapping[str, list[Any]], user: str) -> tuple[dict[str, list[Any]], int]:
        """The outputs of the first rows, and how many they are: at least one."""
        body = json.dumps({"inputs": columns}, separators=(",", ":"), allow_nan=False).encode()
        found = self._json(asking, "POST", f"/api/app/{app.name}/{app.version}/batch", user, body)
        return found["outputs"], int(found["rows"])

    def _json(self, asking: Asking, method: str, path: str, user: str, body: bytes | None = None) -> dict[str, Any]:
        try:
            status, content = asking.ask(method, path, self.sign(user), body)
            found = json.loads(content)
        except (OSError, http.client.HTTPException, ValueError) as error:
            why = "it did not answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
            raise StatementError("08001", f"the app proxy does not answer: {why}", hint=AWAY_HINT) from None
        if status == 200:
            return dict(found)
        inner = found.get("error") or {}
        message = _ROW.sub("", str(inner.get("message") or found.get("errorMessage") or f"HTTP {status}"))
        raise StatementError(_CODES.get(status, "38000"), message, hint=inner.get("hint"))


class Asking:
    """A connection that is kept for the requests of one query."""

    def __init__(self, proxy: AppProxy, seconds: float) -> None:
        self._proxy = proxy
        self._seconds = seconds
        self._connection: http.client.HTTPConnection | None = None

    def ask(self, method: str, path: str, ticket: str, body: bytes | None) -> tuple[int, bytes]:
        """Status and body; OSError, HTTPException. Once more where the kept connection was closed meanwhile: nothing has been read then."""
        kept = self._connection is not None
        try:
            return self._asked(method, path, ticket, body)
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            self.close()
            if not kept:
                raise
            return self._asked(method, path, ticket, body)
        except BaseException:
            self.close()
            raise

    def _asked(self, method: str, path: str, ticket: str, body: bytes | None) -> tuple[int, bytes]:
        if self._connection is None:
            self._connection = http.client.HTTPConnection(self._proxy.host, self._proxy.port, timeout=self._seconds)
        self._connection.request(method, path, body, {"Authorization": f"BDC-Ticket {ticket}", "Content-Type": "application/json"})
        answer = self._connection.getresponse()
        return answer.status, answer.read(MAX_ANSWER)

    def close(self) -> None:
        """The next request connects again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
