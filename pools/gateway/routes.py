"""What the gateway stands in front of: which request goes where, as whom."""

from __future__ import annotations

import asyncio
import json
import urllib.parse

import h11

from pools import bearer
from pools.audit_often import Often
from pools.audit_reading import Wanted, answer_of
from pools.gateway import auditing, tokens, webhdfs
from pools.gateway.errors import RefusalError
from pools.gateway.peer import Headers, Peer, connect
from pools.gateway.record import Told
from pools.gateway.relay import Change, framing, passed_on, relay
from pools.gateway.settings import GatewaySettings
from pools.gateway.trust import Trust

HEALTH = "/healthz"
API = "/api/v1"
APPS = "/api/app"
AUDIT = "/gateway/v1/audit"
"""The gateway's own trail, for admins: so the controller reads it in pods."""
TO_HDFS = frozenset({b"accept", b"content-type", b"range", b"user-agent"})
FROM_HDFS = frozenset(b"accept-ranges cache-control content-disposition content-range content-type date etag expires last-modified".split())
"""Nothing that HDFS would have its caller keep: its cookie names the gateway's own user."""
JSON_BYTES = 65_536
API_BYTES = 65_536
"""The controller takes no larger bodies, but for packages of apps."""
PACKAGES = f"{API}/apps"
PACKAGE_BYTES = 128 << 20
APP_BYTES = 16 << 20
"""Nor the apps' proxy."""


def route_of(target: bytes) -> str:
    """Which of ``metric_table.ROUTES``."""
    path = target.decode("ascii").partition("?")[0]
    if path in (HEALTH, AUDIT):
        return "health" if path == HEALTH else "audit"
    if path == bearer.JWKS or path.startswith(API + "/"):
        return "api"
    if path.startswith(APPS + "/"):
        return "apps"
    return "other" if webhdfs.prefix_of(path) is None else "webhdfs"


class Routes:
    """``serve`` answers one request, whose body is still to be read from the client."""

    def __init__(self, settings: GatewaySettings, often: Often) -> None:
        self._settings = settings
        self._often = often
        parts = urllib.parse.urlsplit(settings.controller)
        self._controller, self._encrypted = parts.netloc, parts.scheme == "https"
        self.trust = Trust(settings)
        self._inner = Trust(settings, inner=True)
        keys = bearer.Keys(bearer.fetching(settings.controller, self.trust.context))
        self.judge = bearer.Tokens(keys, settings.issuer, tokens.AUDIENCES)

    async def serve(self, client: Peer, request: h11.Request, told: Told) -> None:
        """``told``: knows the route, gets the caller's name once it is known. RefusalError; see ``relay`` for the rest."""
        target = request.target.decode("ascii")
        path = target.partition("?")[0]
        method = request.method.decode("ascii")
        if told.route == "health":
            await _say(client, method, b'{"status": "ok"}')
        elif told.route == "audit":
            await self._audit(client, request, told)
        elif told.route == "api":
            package = path == PACKAGES and method in ("POST", "PUT")
            await self._onwards(client, request, self._controller, PACKAGE_BYTES if package else API_BYTES, told)
        elif told.route == "apps":
            await self._onwards(client, request, self._settings.apps, APP_BYTES, told)
        elif told.route == "webhdfs":
            await self._to_hdfs(client, request, method, told)
        else:
            raise RefusalError(
                404,
                "not_found",
                "there is nothing at this path",
                where=f"{method} {path[:200]}",
                hint=f"{API}/…, {APPS}/… and /webhdfs/v1/… are here",
            )

    async def _audit(self, client: Peer, request: h11.Request, told: Told) -> None:
        """Entries, the newest first: for admins, and itself one."""
        await tokens.check(self.judge, dict(request.headers).get(b"authorization"), told, tokens.ADMINS)
        if request.method != b"GET":
            raise RefusalError(405, "method_not_allowed", "this path does not take that method", where="method")
        told.action, told.rule = "audit.query", tokens.ADMIN
        try:
            wanted = Wanted.of_query(request.target.partition(b"?")[2].decode("ascii"))
        except ValueError as error:
            raise RefusalError(400, "invalid_request", str(error)[:200], where="query") from None
        self._often.tell()
        answer = await asyncio.to_thread(answer_of, self._often.trail, wanted)
        await _say(client, "GET", json.dumps(answer).encode())

    async def _onwards(self, client: Peer, request: h11.Request, server: str | None, most: int, told: Told) -> None:
        """To who judges the token himself: the controller, and the apps' proxy."""
        if server is None:
            raise RefusalError(404, "not_found", "this cluster serves no apps", where=told.path, hint="spec.pools.app.enabled")
        given = dict(request.headers).get(b"authorization", b"")
        if len(given) > bearer.MOST_CHARACTERS:
            told.rule = "token"
            raise RefusalError(401, "invalid_token", "the login is too long", where=tokens.HEADER, hint=tokens.LOGIN)
        encrypted = self._encrypted and server == self._controller
        try:
            upstream = await connect(server, self.trust.context() if encrypted else None)
        except OSError as error:
            why = type(error).__name__
            raise RefusalError(
                502, "unreachable", f"what is behind the gateway does not answer ({why})", where=told.path, hint="bdc status"
            ) from None

        async def change(response: h11.Response, _upstream: Peer) -> tuple[Headers, bytes | None]:
            return [*passed_on(list(response.headers)), *_length(response)], None

        sent = [(name, value) for name, value in passed_on(list(request.headers)) if name != b"x-request-id"]
        headers = [(b"x-request-id", told.request_id.encode()), *sent, *framing(list(request.headers))]
        await _pass(client, upstream, request, (server, request.target), headers, change, most)

    async def _to_hdfs(self, client: Peer, request: h11.Request, method: str, told: Told) -> None:
        hdfs, headers = self._settings.hdfs, dict(request.headers)
        caller = await tokens.check(self.judge, headers.get(b"authorization"), told)
        if hdfs is None:
            raise RefusalError(404, "not_found", "this cluster has no HDFS", where="webhdfs", hint="spec.pools.storage.enabled")
        if method not in webhdfs.METHODS:
            raise RefusalError(405, "method_not_allowed", "this path does not take that method", where=method[:20])
        made = webhdfs.call(hdfs, _text(headers.get(b"host")) or "", request.target.decode("ascii"), caller.name)
        auditing.asked(told, made, method)
        try:
            upstream = await connect(made.server, self._inner.context() if hdfs.encrypted else None)
        except OSError as error:
            why = getattr(error, "verify_message", None) or type(error).__name__
            raise RefusalError(
                502, "unreachable", f"HDFS does not answer ({why})", where="webhdfs", hint="bdc status --service hdfs"
            ) from None

        async def change(response: h11.Response, upstream: Peer) -> tuple[Headers, bytes | None]:
            kept = passed_on(list(response.headers), FROM_HDFS)
            location = _text(dict(response.headers).get(b"location"))
            if location is not None and 300 <= response.status_code < 400:
                told.redirected = True
                kept.append((b"location", webhdfs.redirected(hdfs, made, location).encode("ascii")))
            if made.as_json and response.status_code == 200:
                given = await _whole(upstream)
                body = webhdfs.redirected_json(hdfs, made, given)
                told.redirected = body is not given
                return [*kept, (b"content-length", str(len(body)).encode())], body
            if response.status_code >= 400 and method != "HEAD":
                body = await _whole(upstream)
                auditing.failed(told, body)
                return [*kept, (b"content-length", str(len(body)).encode())], body
            return [*kept, *_length(response)], None

        sent = [*passed_on(list(request.headers), TO_HDFS), *framing(list(request.headers))]
        await _pass(client, upstream, request, (made.server, made.target.encode("ascii")), sent, change)


async def _pass(  # noqa: PLR0913 (one call of each)
    client: Peer, upstream: Peer, request: h11.Request, to: tuple[str, bytes], headers: Headers, change: Change, most: int | None = None
) -> None:
    """``to``: server and target."""
    sent = [(b"host", to[0].encode()), (b"connection", b"close"), *headers]
    try:
        await relay(client, upstream, h11.Request(method=request.method, target=to[1], headers=sent), change, most)
    finally:
        upstream.close()


async def _whole(upstream: Peer) -> bytes:
    try:
        return await upstream.body(JSON_BYTES)
    except (ValueError, OSError, h11.RemoteProtocolError):
        raise RefusalError(
            502, "bad_answer", "HDFS broke off, or said too much", where="webhdfs", hint="bdc status --service hdfs"
        ) from None


async def _say(client: Peer, method: str, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await client.send(h11.Response(status_code=200, headers=headers))
    await client.send(h11.Data(data=b"" if method == "HEAD" else body))
    await client.send(h11.EndOfMessage())


def _length(response: h11.Response) -> list[tuple[bytes, bytes]]:
    found = dict(response.headers).get(b"content-length")
    return [(b"content-length", found)] if found is not None else []


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "replace")
