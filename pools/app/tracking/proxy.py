"""What stands in front of MLflow, as an ASGI app: who asks, whether that may pass, and then the request as it came, without its token.

Refusals are told as MLflow's clients read them (``error_code``, ``message``), so that ``mlflow`` shows the sentence.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
import time
import urllib.parse
from dataclasses import dataclass
from typing import Any

from pools.app.tokens import OWNERS, READERS, RefusedError, Tokens, allow
from pools.app.tracking import metric_table as table
from pools.app.tracking.rights import is_file, needed
from pools.app.tracking.settings import TrackingSettings
from pools.app.tracking.upstream import AwayError, GoneError, Headers, TooLargeError, Upstream, asked
from pools.exposition import Book

HEALTH = "/healthz"
HEALTH_SECONDS = 4.0
CODES = {
    400: "BAD_REQUEST", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "ENDPOINT_NOT_FOUND", 413: "BAD_REQUEST",
    501: "NOT_IMPLEMENTED", 503: "TEMPORARILY_UNAVAILABLE",
}  # fmt: skip
"""As MLflow names them. Its clients ask again for minutes at 503, and not at 501."""
CHALLENGE = (b"www-authenticate", b'Basic realm="MLflow: any name, and as password a token (bdc auth token)", charset="UTF-8"')
"""A browser then asks."""
TOKEN_HINT = "set MLFLOW_TRACKING_TOKEN to what 'bdc auth token' prints"  # noqa: S105 (no token)
AWAY_HINT = "bdc status; bdc logs tracking-server"
logger = logging.getLogger("tracking")


@dataclass(frozen=True)
class _Asked:
    """One request."""

    method: str
    path: str
    target: bytes
    headers: Headers

    def header(self, name: bytes) -> bytes:
        return dict(self.headers).get(name, b"")


class TrackingProxy:
    """``book``: counts."""

    def __init__(self, settings: TrackingSettings, tokens: Tokens, book: Book) -> None:
        self._settings = settings
        self._tokens = tokens
        self._book = book

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 (ASGI's own shapes)
        """One request."""
        if scope["type"] != "http":
            return None
        query = b"?" + scope["query_string"] if scope["query_string"] else b""
        request = _Asked(scope["method"], scope["path"], scope["raw_path"] + query, scope["headers"])
        try:
            if request.path == HEALTH:
                return await self._health(send)
            access = await self._judged(request)
            begun = time.perf_counter()
            await self._passed(request, receive, send)
            self._book.observe(table.SECONDS, time.perf_counter() - begun, access)
        except RefusedError as error:
            self._book.add(table.REFUSED, str(error.status))
            said = f"{error.message} ({error.hint})" if error.hint else error.message
            await _answer(send, error.status, {"error_code": CODES[error.status], "message": said})
        except GoneError:
            pass
        return None

    async def _judged(self, request: _Asked) -> str:
        """What it takes; RefusedError unless the caller may."""
        caller = await self._caller(request)
        _own_page(request)
        access = needed(request.method, request.path)
        if access is None:
            raise RefusedError(
                f"{request.method} {request.path[:200]} is not served here", 404, "experiments, runs, traces, models and their files are"
            )
        allow(caller, OWNERS if access == "write" else READERS)
        if self._settings.missing is not None:
            raise RefusedError("MLflow is not installed on the cluster's machine", 501, self._settings.missing)
        return access

    async def _caller(self, request: _Asked) -> Any:  # noqa: ANN401 (a Caller)
        try:
            return await self._tokens.check(_bearer(request.header(b"authorization")))
        except RefusedError as error:
            raise RefusedError(error.message, error.status, TOKEN_HINT if error.status == 401 else error.hint) from None

    async def _passed(self, request: _Asked, receive: Any, send: Any) -> None:  # noqa: ANN401
        settings = self._settings
        try:
            upstream = await Upstream.connected(settings.socket)
        except AwayError as error:
            raise _away(error) from None
        begun = False
        try:
            most = None if is_file(request.path) else settings.body_bytes
            await upstream.send(asked(request.method, request.target, request.headers), receive, most)
            status, headers = await upstream.answer(settings.answer_seconds)
            begun = True
            await send({"type": "http.response.start", "status": status, "headers": headers})
            async for piece in upstream.body():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        except TooLargeError:
            raise RefusedError(f"the body is larger than {settings.body_bytes} bytes", 413, "log it as an artifact") from None
        except AwayError as error:
            if begun:
                raise  # the client sees the end of the connection
            raise _away(error) from None
        finally:
            await upstream.close()

    async def _health(self, send: Any) -> None:  # noqa: ANN401
        """Whether MLflow answers, where it is installed."""
        if self._settings.missing is not None:
            return await _answer(send, 200, {"state": "MLflow is not installed"})
        try:
            upstream = await Upstream.connected(self._settings.socket)
            try:
                await upstream.send(asked("GET", b"/health", ()), _nothing, None)
                status, _ = await upstream.answer(HEALTH_SECONDS)
            finally:
                await upstream.close()
        except AwayError as error:
            return await _answer(send, 503, {"state": f"MLflow does not answer: {error}"})
        return await _answer(send, 200 if status == 200 else 503, {"state": f"MLflow answers {status}"})


def _bearer(header: bytes) -> bytes:
    """A browser sends the token as a password."""
    scheme, _, given = header.partition(b" ")
    if scheme.lower() != b"basic":
        return header
    try:
        _, _, password = base64.b64decode(given.strip(), validate=True).partition(b":")
    except binascii.Error:
        return b""
    return b"Bearer " + password


def _own_page(request: _Asked) -> None:
    """RefusedError for what another site's page asks: a browser adds the password by itself."""
    origin = request.header(b"origin").decode("latin-1")
    if origin and urllib.parse.urlsplit(origin).netloc.encode("latin-1") != request.header(b"host"):
        raise RefusedError(f"pages of {origin[:200]} may not ask here", 403)


def _away(error: AwayError) -> RefusedError:
    logger.warning("MLflow does not answer: %s", error)
    return RefusedError(f"MLflow does not answer: {error}", 503, AWAY_HINT)


async def _nothing() -> dict[str, object]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _answer(send: Any, status: int, content: dict[str, str]) -> None:  # noqa: ANN401
    body = json.dumps(content).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status == 401:
        headers.append(CHALLENGE)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
