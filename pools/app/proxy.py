"""The proxy as an ASGI app. The way of a call is short: a look at the token, at the inputs, one frame to a worker and one back.

No framework in between: routing and dependencies would cost a call more than the app does. The routes are one table.
"""

from __future__ import annotations

import logging
import time
import urllib.parse
from collections.abc import Awaitable, Callable
from typing import Any

from apps.checking import check, parse
from apps.errors import AppError, CallError, InputError, StartError
from pools.app.errors import NotReadyError, RequestError, UnknownAppError
from pools.app.exchange import UPLOAD_SECONDS, Exchange
from pools.app.settings import ProxySettings
from pools.app.swagger import document
from pools.app.tokens import OWNERS, READERS, RefusedError, Tokens
from pools.app.version import Version
from pools.app.versions import Versions

Handler = Callable[["Proxy", Exchange, str, str], Awaitable[None]]
MAX_LINES = 10_000
logger = logging.getLogger("proxy")


class Proxy:
    """``base``: its address as people reach it."""

    def __init__(self, settings: ProxySettings, tokens: Tokens, versions: Versions) -> None:
        self.settings = settings
        self.tokens = tokens
        self.versions = versions
        self.base = settings.address or f"http://{settings.host}:{settings.port}"

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 (ASGI's own shapes)
        """One request."""
        if scope["type"] != "http":
            return
        exchange = Exchange(scope, receive, send)
        try:
            parts = scope["path"].split("/")
            if len(parts) == 6 and parts[5] == "run" and parts[1] == "api" and parts[2] == "app":
                await self._run(exchange, scope["method"], parts[3], parts[4])
            else:
                await self._other(exchange, scope["method"], parts)
        except RefusedError as error:
            await exchange.refuse(error)
        except CallError as error:
            await exchange.fail(error, error.console)
        except AppError as error:
            await exchange.fail(error)
        except Exception:
            logger.exception("defect, request %s: %s %s", exchange.id, scope["method"], scope["path"])
            await exchange.fail(AppError("the app proxy failed", hint=f"report it with request id {exchange.id} from its log"))

    async def _run(self, exchange: Exchange, method: str, name: str, number: str) -> None:
        if method != "POST":
            return await exchange.answer(405, _wrong_method(exchange), (b"allow", b"POST"))
        await exchange.caller(self.tokens, READERS)
        version = self.versions.get(name, number)
        body = await exchange.body(self.settings.body_bytes)
        spec, workers = version.spec, version.workers
        if workers is None or spec is None:
            raise _not_ready(version)
        tally = version.tally
        try:
            inputs = check(parse(body), spec.inputs)
        except InputError:
            tally.refused += 1
            raise
        tally.calls += 1
        begun = time.perf_counter()
        try:
            result = await workers.call(inputs)
        except CallError as error:
            tally.fail(error.code)
            version.log.say(f"request {exchange.id}: {error.code}: {error.message}")
            raise
        finally:
            tally.took(time.perf_counter() - begun)
        return await exchange.answer(
            200,
            {
                "success": True,
                "errorMessage": "",
                "outputParameters": result.outputs,
                "outputFiles": {},
                "consoleOutput": result.console,
                "changedFiles": result.changed,
            },
        )

    async def _other(self, exchange: Exchange, method: str, parts: list[str]) -> None:
        shape, name, number = _shape(parts)
        methods = ROUTES.get(shape)
        if methods is None:
            raise UnknownAppError("there is no such path", where=f"{method} {exchange.scope['path'][:200]}", hint="docs/guide/apps.md")
        if method not in methods:
            return await exchange.answer(405, _wrong_method(exchange), (b"allow", ", ".join(methods).encode()))
        roles, handler = methods[method]
        if roles is not None:
            await exchange.caller(self.tokens, roles)
        return await handler(self, exchange, name, number)

    async def health(self, exchange: Exchange, _name: str, _number: str) -> None:
        """It answers."""
        await exchange.answer(200, {"status": "ok"})

    async def swagger(self, exchange: Exchange, name: str, number: str) -> None:
        """OpenAPI of one version."""
        version = self.versions.get(name, number)
        if version.spec is None:
            raise _not_ready(version)
        await exchange.answer(200, document(version.spec, self.base))

    async def list(self, exchange: Exchange, _name: str, _number: str) -> None:
        """All versions."""
        await exchange.answer(200, [version.summary() for version in self.versions.all()])

    async def describe(self, exchange: Exchange, name: str, number: str) -> None:
        """One of them."""
        await exchange.answer(200, self.versions.get(name, number).description(self.base))

    async def create(self, exchange: Exchange, _name: str, _number: str) -> None:
        """The body is the package."""
        await self._take(exchange, update=False)

    async def update(self, exchange: Exchange, _name: str, _number: str) -> None:
        """The body is the package."""
        await self._take(exchange, update=True)

    async def _take(self, exchange: Exchange, *, update: bool) -> None:
        caller = await self.tokens.check(exchange.authorization)
        archive = await exchange.body(self.settings.upload_bytes, UPLOAD_SECONDS)
        version = await self.versions.take(archive, caller.name, update=update)
        await exchange.answer(200 if update else 201, version.description(self.base))

    async def delete(self, exchange: Exchange, name: str, number: str) -> None:
        """Its calls end first."""
        await self.versions.delete(name, number)
        await exchange.answer(200, {"name": name, "version": number})

    async def logs(self, exchange: Exchange, name: str, number: str) -> None:
        """The last lines; ``?lines=100``."""
        query = urllib.parse.parse_qs(exchange.scope["query_string"].decode("latin-1"))
        given = query.get("lines", ["100"])[0]
        if not given.isdecimal() or not 1 <= int(given[:9]) <= MAX_LINES:
            raise RequestError(f"lines must be from 1 to {MAX_LINES}", where="lines")
        await exchange.answer(200, {"lines": self.versions.get(name, number).log.tail(int(given))})


def _shape(parts: list[str]) -> tuple[tuple[str, ...], str, str]:
    """A path without its name and version."""
    if parts[1:3] == ["api", "app"] and len(parts) == 6:
        return ("api", "app", parts[5]), parts[3], parts[4]
    if parts[1:4] == ["api", "v1", "apps"] and len(parts) in (6, 7):
        return ("api", "v1", "apps", "VERSION", *parts[6:]), parts[4], parts[5]
    return tuple(parts[1:]), "", ""


ROUTES: dict[tuple[str, ...], dict[str, tuple[frozenset[str] | None, Handler]]] = {
    ("healthz",): {"GET": (None, Proxy.health)},
    ("api", "app", "swagger.json"): {"GET": (READERS, Proxy.swagger)},
    ("api", "v1", "apps"): {"GET": (READERS, Proxy.list), "POST": (OWNERS, Proxy.create), "PUT": (OWNERS, Proxy.update)},
    ("api", "v1", "apps", "VERSION"): {"GET": (READERS, Proxy.describe), "DELETE": (OWNERS, Proxy.delete)},
    ("api", "v1", "apps", "VERSION", "log"): {"GET": (OWNERS, Proxy.logs)},
}
"""Path → method → who may (None: everybody), and what answers. ``run`` is beside the table: it is the way of every call."""


def _not_ready(version: Version) -> AppError:
    if version.state == "Error":
        return StartError(f"{version.kept.label} can't be started: {version.reason}", where=version.kept.name, hint="bdc app logs")
    return NotReadyError(f"{version.kept.label} is not ready: {version.state}", where=version.kept.name, hint="bdc app list")


def _wrong_method(exchange: Exchange) -> dict[str, object]:
    where = f"{exchange.scope['method']} {exchange.scope['path'][:200]}"
    inner = {"code": "method_not_allowed", "message": "this path does not take that method", "where": where, "hint": None}
    return {"success": False, "errorMessage": inner["message"], "error": inner, "request_id": exchange.id}
