"""The border of the API: request ids, the limit on bodies, and one error envelope for everything that goes wrong inside."""

from __future__ import annotations

import asyncio
import json
import re
import time
import uuid
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from controller.api.auditing import CODE
from controller.api.services import Services
from controller.errors import ControllerError, RateLimitError, SlowBodyError, TokenError, TooLargeError
from controller.log import Log

MAX_BODY_BYTES = 64 * 1024
UPLOADS = frozenset({("POST", "/api/v1/apps"), ("PUT", "/api/v1/apps")})
"""These read their large bodies themselves, within limits of their own, once they know who sends them."""
BODY_SECONDS = 20.0
"""In which the whole body must arrive: who sends it slowly would hold a connection for ever, also without a login."""

GIVEN_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
HTTP_WORDS = {404: ("not_found", "there is no such path"), 405: ("method_not_allowed", "this path does not take that method")}
METHODS = frozenset({"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"})
"""Of which the metrics know the names: a client may send any word."""

log = Log("api")


class Border:
    """ASGI middleware around the whole app."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection; everything but HTTP goes through as it is."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        answer, began = _Answer(send, request_id), time.perf_counter()
        try:
            if (scope["method"], scope["path"]) in UPLOADS:
                await self.app(scope, receive, answer)
                return
            if _announced(scope) > MAX_BODY_BYTES:
                raise _too_large()
            await self.app(scope, await _read(receive), answer)
        except ControllerError as error:
            scope["state"][CODE] = error.code
            await answer.fail(error)
        except Exception:
            log.exception("defect", request_id=request_id, method=scope["method"], path=scope["path"])
            await answer.fail(ControllerError("the controller failed", hint=f"report it with request id {request_id} from its log"))
        finally:
            _count(scope, answer.status, time.perf_counter() - began)


def _count(scope: Scope, status: int, seconds: float) -> None:
    services: Services | None = scope["app"].state.services
    if services is not None:
        route = getattr(scope.get("route"), "path", None)
        services.meters.requested(scope["method"] if scope["method"] in METHODS else "other", route, status, seconds)
        services.audit.own.answered(scope, status)


class _Answer:
    """``send`` that adds the request id, and knows whether the answer has begun."""

    def __init__(self, send: Send, request_id: str) -> None:
        self.send = send
        self.request_id = request_id
        self.started = False
        self.status = 0
        """0: none was sent, because the client left."""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started, self.status = True, message["status"]
            extra = [(b"x-request-id", self.request_id.encode()), (b"x-content-type-options", b"nosniff")]
            message = {**message, "headers": [*message.get("headers", []), *extra]}
        await self.send(message)

    async def fail(self, error: ControllerError) -> None:
        """Answer with the error, unless an answer has begun: then the connection just ends."""
        if self.started:
            return
        body = json.dumps({"error": error.envelope(), "request_id": self.request_id}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        if isinstance(error, (TooLargeError, SlowBodyError)):  # the rest of the body would be taken for the next request
            headers.append((b"connection", b"close"))
        await self({"type": "http.response.start", "status": error.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})


def install_handlers(app: FastAPI) -> None:
    """Turn what the framework and the routes raise into the envelope."""

    async def controller_error(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, ControllerError)
        headers: dict[str, str] = {}
        setattr(request.state, CODE, error.code)
        if isinstance(error, RateLimitError):
            headers["Retry-After"] = str(error.retry_after)
        if isinstance(error, TokenError):
            headers["WWW-Authenticate"] = "Bearer"
        if error.status >= 500:
            log.warning("refused", request_id=request.state.request_id, path=request.url.path, code=error.code, message=error.message)
        return _response(request, error.status, error.envelope(), headers)

    async def invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        # only places and pydantic's words: the values may be passwords
        found = [(".".join(str(part) for part in item["loc"]), _words(item)) for item in error.errors()]
        message = "; ".join(f"{place}: {words}" for place, words in found)
        setattr(request.state, CODE, "invalid_request")
        inner = {"code": "invalid_request", "message": message, "where": found[0][0], "hint": "see /api/v1/openapi.json"}
        return _response(request, 400, inner, {})

    async def http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        code, message = HTTP_WORDS.get(error.status_code, ("invalid_request", str(error.detail)))
        where = f"{request.method} {request.url.path[:200]}"
        inner = {"code": code, "message": message, "where": where, "hint": "see /api/v1/openapi.json"}
        return _response(request, error.status_code, inner, dict(error.headers or {}))

    handlers: tuple[tuple[type[Exception], Callable[..., Any]], ...] = (
        (ControllerError, controller_error),
        (RequestValidationError, invalid),
        (HTTPException, http),
    )
    for kind, handler in handlers:
        app.add_exception_handler(kind, handler)


def _response(request: Request, status: int, inner: dict[str, str | None] | dict[str, str], headers: dict[str, str]) -> JSONResponse:
    return JSONResponse({"error": inner, "request_id": request.state.request_id}, status, headers=headers)


def _words(item: Any) -> str:  # noqa: ANN401 (pydantic's ErrorDetails)
    kind = str(item["type"])
    if kind == "json_invalid":
        return "not valid JSON"
    return "unknown key" if kind == "extra_forbidden" else str(item["msg"])


def _request_id(scope: Scope) -> str:
    """The caller's own id when it is harmless in a log, else a new one."""
    given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
    return bytes(given).decode("ascii") if GIVEN_ID.fullmatch(given) else uuid.uuid4().hex


def _announced(scope: Scope) -> int:
    given = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    return int(given) if given.isdigit() else 0


async def _read(receive: Receive) -> Receive:
    """Take the whole body (it is small by rule) and hand out a ``receive`` that gives it again; TooLargeError beyond the limit,
    whatever was announced; SlowBodyError. Read here, because inside the framework such an error would pass for a parse error."""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await _body(receive)
    except TimeoutError:
        raise SlowBodyError(f"the body did not arrive within {BODY_SECONDS:g} s", where="body", hint="send it at once") from None
    given: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return given.pop() if given else await receive()

    return again


async def _body(receive: Receive) -> bytes:
    body: bytes = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return body
        body += bytes(message.get("body", b""))
        if len(body) > MAX_BODY_BYTES:
            raise _too_large()
        if not message.get("more_body", False):
            return body


def _too_large() -> TooLargeError:
    return TooLargeError(f"the body is larger than {MAX_BODY_BYTES} bytes", where="body")
