"""A small JSON-over-HTTP client on ``http.client``.

Not httpx: importing it costs 0.2 s of CPU, more than everything else that ``bdc status`` does (http.client: 0.02 s).
"""

from __future__ import annotations

import http.client
import json
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bdc.errors import (
    AuthenticationError,
    BdcError,
    ConflictError,
    ForbiddenError,
    InternalError,
    NotFoundError,
    ServiceError,
    UnreachableError,
    UserError,
)

MAX_BODY = 64 * 2**20
"""Bytes of one answer that are read at most; the controller's answers are a few kilobytes."""

_BY_STATUS: dict[int, type[BdcError]] = {
    401: AuthenticationError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    408: ServiceError,
    425: ServiceError,
    429: ServiceError,
}


@dataclass(frozen=True)
class Answer:
    """Status, headers (lower-case names) and the decoded JSON body (``None`` when empty)."""

    status: int
    headers: Mapping[str, str]
    body: object


def open_connection(url: str, timeout: float, authority: str | None = "") -> http.client.HTTPConnection:
    """A connection object (not yet connected) for the scheme, host and port of ``url``; ``timeout`` in seconds. ``authority``: PEM
    certificates of which an https server's must be signed by one; empty: those that the machine trusts; None: see ``trust.context``."""
    parts = urllib.parse.urlsplit(url)
    try:
        port = parts.port
    except ValueError as error:
        raise UserError(f"{url!r} is not an address", why=str(error), hint="write it as http://host:port") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError(f"{url!r} is not an address", hint="write it as http://host:port or https://host:port")
    if parts.username or parts.password:
        raise UserError("an address must not hold a user name or password", hint="give them with --username and BDC_PASSWORD")
    if parts.scheme == "https":
        from bdc import trust

        return http.client.HTTPSConnection(parts.hostname, port, timeout=timeout, context=trust.context(authority))
    return http.client.HTTPConnection(parts.hostname, port, timeout=timeout)


def unreachable(url: str, error: OSError | http.client.HTTPException, hint: str | None = None) -> ServiceError:
    """The error for an address that does not answer; says the cause in words."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "https" and getattr(error, "verify_code", None) is not None:
        from bdc import trust

        return trust.untrusted(f"https://{parts.netloc}", error)  # type: ignore[arg-type] # ssl.SSLCertVerificationError alone has one
    why = "it did not answer in time" if isinstance(error, TimeoutError) else error_text(error)
    return UnreachableError(
        f"{parts.scheme}://{parts.netloc} does not answer", where=f"{parts.scheme}://{parts.netloc}", why=why, hint=hint
    )


def error_text(error: Exception) -> str:
    """What the operating system or the library says, without error numbers."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


@dataclass(frozen=True)
class JsonClient:
    """Sends JSON requests to one base address. What ``token`` gives goes into the Authorization header and nowhere else."""

    base: str
    token: Callable[[], str] | None = None
    timeout: float = 30.0
    authority: str = ""
    most: int = MAX_BODY

    def get(self, path: str, **query: str | int | bool | None) -> object:
        """The body of ``GET path?query``; ``None`` values are left out."""
        return self.request("GET", path, query=query)

    def request(self, method: str, path: str, *, query: Mapping[str, str | int | bool | None] | None = None, body: object = None) -> object:
        """The decoded body of a 2xx answer; anything else raises the matching error. ``body``: sent as JSON, bytes as they are."""
        answer = self._send(method, path, query or {}, body)
        if 200 <= answer.status < 300:
            return answer.body
        raise self._error(answer)

    def _send(self, method: str, path: str, query: Mapping[str, str | int | bool | None], body: object) -> Answer:
        pairs = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in query.items() if value is not None}
        target = path + ("?" + urllib.parse.urlencode(pairs) if pairs else "")
        headers = {"Accept": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token()}"
        payload = None
        if body is not None:
            payload = body if isinstance(body, bytes) else json.dumps(body).encode()
            headers["Content-Type"] = "application/octet-stream" if isinstance(body, bytes) else "application/json"
        connection = open_connection(self.base, self.timeout, self.authority)
        try:
            connection.request(method, target, payload, headers)
            response = connection.getresponse()
            raw = response.read(self.most)
        except (OSError, http.client.HTTPException) as error:
            raise unreachable(
                self.base, error, "'bdc list' shows this machine's clusters, 'bdc start' starts one that is stopped"
            ) from error
        finally:
            connection.close()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, self._decode(raw, response.status))

    def _decode(self, raw: bytes, status: int) -> object:
        if not raw.strip():
            return None
        try:
            return json.loads(raw)
        except ValueError as error:
            raise ServiceError(
                f"{self.base} answered with something else than JSON (HTTP {status})",
                where=self.base,
                why="another program may listen there",
                hint="check the address: 'bdc context list' shows the controller's",
            ) from error

    def _error(self, answer: Answer) -> BdcError:
        details = answer.body.get("error") if isinstance(answer.body, dict) else None
        if not isinstance(details, dict):
            details = {}
        kind = _BY_STATUS.get(answer.status, UserError if 400 <= answer.status < 500 else ServiceError)
        request_id = answer.body.get("request_id") if isinstance(answer.body, dict) else None
        return kind(
            str(details.get("message") or f"the controller answered HTTP {answer.status}"),
            where=_text(details.get("where")) or self.base,
            why=_text(details.get("why")),
            hint=_text(details.get("hint")),
            code=_text(details.get("code")),
            request_id=_text(request_id) or answer.headers.get("x-request-id"),
        )


def _text(value: object) -> str | None:
    return str(value) if value else None


def object_of(body: object, what: str) -> dict[str, object]:
    """``body`` as a JSON object; InternalError when the service broke its contract."""
    if not isinstance(body, dict):
        raise InternalError(f"the controller's answer to {what!r} is not an object")
    return body


def objects_of(body: object, what: str) -> list[dict[str, object]]:
    """``body`` as a list of JSON objects; InternalError when the service broke its contract."""
    if not isinstance(body, list) or not all(isinstance(item, dict) for item in body):
        raise InternalError(f"the controller's answer to {what!r} is not a list of objects")
    return body
