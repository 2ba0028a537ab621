"""One request at the proxy: who asks, the body within its limits, and one form of answer for everything."""

from __future__ import annotations

import asyncio
import json
import re
import urllib.parse
import uuid
from typing import Any

from apps.errors import AppError
from pools.app.errors import RequestError, SlowBodyError, TooLargeError
from pools.app.tokens import RefusedError, Tokens, allow, least
from pools.bearer import Caller

GIVEN_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
BODY_SECONDS = 20.0
UPLOAD_SECONDS = 300.0
NOTHING = {"outputParameters": {}, "outputFiles": {}, "consoleOutput": "", "changedFiles": []}


class Exchange:
    """``scope``, ``receive``, ``send`` of ASGI, with the id that the answer carries."""

    def __init__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 (ASGI's own shapes)
        self.scope = scope
        self._receive = receive
        self._send = send
        self.inference = False
        """Errors are as the Open Inference Protocol has them."""
        self.status = 0
        """Of the answer; 0: there was none."""
        self.user: str | None = None
        self.session: str | None = None
        self.rule, self.why, self.named = "token", "", ""
        """What the audit trail says of it: by which rule, the error's code, what else was named than the path has."""
        self.authorization = given = b""
        for name, value in scope["headers"]:
            if name == b"authorization":
                self.authorization = value
            elif name == b"x-request-id":
                given = value
        self.id = given.decode() if GIVEN_ID.fullmatch(given) else uuid.uuid4().hex

    async def caller(self, tokens: Tokens, roles: frozenset[str]) -> Caller:
        """RefusedError."""
        found = await tokens.check(self.authorization)
        self.user, self.session, self.rule = found.name, found.session, least(roles)
        allow(found, roles)
        return found

    async def body(self, limit: int, seconds: float = BODY_SECONDS) -> bytes:
        """All of it. TooLargeError, SlowBodyError."""
        message = await self._receive()
        if not message.get("more_body", False):  # nearly always
            found: bytes = message.get("body", b"")
            if len(found) > limit:
                raise _too_large(limit)
            return found
        pieces = [message.get("body", b"")]
        size = len(pieces[0])
        try:
            async with asyncio.timeout(seconds):
                while message.get("more_body", False):
                    if size > limit:
                        raise _too_large(limit)
                    message = await self._receive()
                    pieces.append(message.get("body", b""))
                    size += len(pieces[-1])
        except TimeoutError:
            raise SlowBodyError(f"the body did not arrive within {seconds:g} s", where="body", hint="send it at once") from None
        if size > limit:
            raise _too_large(limit)
        return b"".join(pieces)

    async def answer(self, status: int, content: object, *headers: tuple[bytes, bytes]) -> None:
        """JSON."""
        body = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode(errors="backslashreplace")
        usual = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"x-request-id", self.id.encode()),
            (b"x-content-type-options", b"nosniff"),
        ]
        self.status = status
        await self._send({"type": "http.response.start", "status": status, "headers": [*usual, *headers]})
        await self._send({"type": "http.response.body", "body": body})

    async def fail(self, error: AppError, console: str = "") -> None:
        """The error, in the original's envelope too."""
        headers = []
        if isinstance(error, TooLargeError | SlowBodyError):  # the rest of the body would be taken for the next request
            headers.append((b"connection", b"close"))
        if error.status == 503:
            headers.append((b"retry-after", b"1"))
        self.why = error.code
        await self.answer(error.status, self._failure(error.envelope(), console), *headers)

    async def refuse(self, error: RefusedError) -> None:
        """401, 403 or 503."""
        code = {401: "invalid_token", 403: "forbidden"}.get(error.status, "not_ready")
        self.why = code
        inner = {"code": code, "message": error.message, "where": "header Authorization", "hint": error.hint}
        await self.answer(error.status, self._failure(inner, ""), *([(b"www-authenticate", b"Bearer")] if error.status == 401 else []))

    def _failure(self, inner: dict[str, str | None], console: str) -> dict[str, object]:
        if self.inference:
            return {"error": f"{inner['message']} ({inner['hint']})" if inner["hint"] else inner["message"]}
        said = {**NOTHING, "consoleOutput": console}
        return {"success": False, "errorMessage": inner["message"], **said, "error": inner, "request_id": self.id}


def query_of(exchange: Exchange) -> dict[str, str]:
    """The first value of each."""
    found = urllib.parse.parse_qs(exchange.scope["query_string"].decode("latin-1"), keep_blank_values=True)
    return {name: values[0] for name, values in found.items()}


def flag_of(exchange: Exchange, name: str) -> bool:
    """Of the query; absent: false. RequestError."""
    given = query_of(exchange).get(name, "false")
    if given not in ("true", "false"):
        raise RequestError(f"{name} must be true or false", where=name)
    return given == "true"


def number_of(exchange: Exchange, name: str, default: str | None, least: int, most: int) -> int:
    """Of the query. RequestError."""
    given = query_of(exchange).get(name, default)
    if given is None or not (given.isascii() and given.isdecimal()) or not least <= int(given[:9]) <= most:
        raise RequestError(f"{name} must be a whole number from {least} to {most}", where=name)
    return int(given)


def _too_large(limit: int) -> TooLargeError:
    return TooLargeError(f"the body is larger than {limit} bytes", where="body")
