"""The proxy as an ASGI app. The way of a call is short: a look at the token, at the inputs, one frame to a worker and one back.

No framework in between: routing and dependencies would cost a call more than the app does. The routes are one table.
"""

from __future__ import annotations

import functools
import logging
import pathlib
from collections.abc import Awaitable, Callable
from typing import Any

from apps.checking import check, parse
from apps.errors import AppError, CallError, InputError, StartError
from pools.app import auditing, batch, histories, inference, secret_routes
from pools.app.calling import called
from pools.app.errors import ConflictError, NotReadyError, UnknownAppError
from pools.app.exchange import UPLOAD_SECONDS, Exchange, flag_of, number_of
from pools.app.handing import Handing
from pools.app.live import LIVE
from pools.app.settings import ProxySettings
from pools.app.swagger import document
from pools.app.switching import Switching
from pools.app.tokens import ADMINS, OWNERS, READERS, RefusedError, Tokens
from pools.app.version import Version
from pools.app.versions import Versions
from pools.audit import Trail
from pools.audit_often import Often
from pools.keyring import KeyFile
from pools.tickets import Verifier

Handler = Callable[["Proxy", Exchange, str, str], Awaitable[None]]
MAX_LINES = 10_000
logger = logging.getLogger("proxy")


class Proxy:
    """``base``: its address as people reach it."""

    def __init__(self, settings: ProxySettings, tokens: Tokens, versions: Versions, often: Often | None = None) -> None:
        self.settings = settings
        self.often = often or Often(Trail(None, "app-proxy"))
        self.tokens = tokens
        self.versions = versions
        self.switching = Switching(versions)
        self.handing = Handing(versions)
        self.base = settings.address or f"http://{settings.host}:{settings.port}"

    @functools.cached_property
    def tickets(self) -> Verifier | None:
        """Judges what the compute pool shows when it calls apps for its users; None: it may not."""
        if self.settings.ticket_keys_file is not None:
            return Verifier(KeyFile(pathlib.Path(self.settings.ticket_keys_file)))
        return Verifier(self.settings.ticket_public_key) if self.settings.ticket_public_key else None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 (ASGI's own shapes)
        """One request."""
        if scope["type"] != "http":
            return
        exchange, parts = Exchange(scope, receive, send), scope["path"].split("/")
        try:
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
        auditing.note(self.often, exchange, scope["method"], *_shape(parts))

    async def _run(self, exchange: Exchange, method: str, name: str, number: str) -> None:
        if method != "POST":
            return await exchange.answer(405, _wrong_method(exchange), (b"allow", b"POST"))
        await exchange.caller(self.tokens, READERS)
        self.versions.get(name, number)  # there must be one
        body = await exchange.body(self.settings.body_bytes)
        version = self.versions.called(name, number)  # now, not before its body came: what was switched meanwhile may be gone
        spec, workers = version.spec, version.workers
        if workers is None or spec is None:
            raise _not_ready(version)
        try:
            inputs = check(parse(body), spec.inputs)
        except InputError:
            version.tally.refused += 1
            raise
        result = await called(version, workers, inputs, exchange.id)
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
            (b"x-app-version", version.kept.version.encode()),
        )

    async def _other(self, exchange: Exchange, method: str, parts: list[str]) -> None:
        shape, name, number = _shape(parts)
        exchange.inference = shape[:3] == ("api", "app", "v2")
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
        await exchange.answer(200, document(version.spec, self.base, number))

    async def list(self, exchange: Exchange, _name: str, _number: str) -> None:
        """All versions."""
        live = self.versions.live
        await exchange.answer(
            200, [{**one.summary(), "percent": live.percent(one.kept.name, one.kept.version)} for one in self.versions.all()]
        )

    async def describe(self, exchange: Exchange, name: str, number: str) -> None:
        """One of them."""
        await exchange.answer(200, self._described(self.versions.get(name, number)))

    def _described(self, version: Version) -> dict[str, Any]:
        """``percent``: of the calls of ``NAME@live``."""
        percent = self.versions.live.percent(version.kept.name, version.kept.version)
        return {**version.description(self.base), "percent": percent, **histories.summary(version)}

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
        exchange.named = version.kept.label
        await exchange.answer(200 if update else 201, self._described(version))

    async def promote(self, exchange: Exchange, name: str, number: str) -> None:
        """It is live from now on."""
        caller = await self.tokens.check(exchange.authorization)
        await exchange.answer(200, self._described(await self.switching.promote(name, number, caller.name)))

    async def canary(self, exchange: Exchange, name: str, number: str) -> None:
        """It gets ``?percent=`` of the calls."""
        caller, percent = await self.tokens.check(exchange.authorization), number_of(exchange, "percent", None, 0, 100)
        await exchange.answer(200, self._described(await self.switching.canary(name, number, percent, caller.name)))

    async def rollback(self, exchange: Exchange, name: str, number: str) -> None:
        """The one before is live again."""
        if number != LIVE:
            raise UnknownAppError("only what is live can be rolled back", where=number[:60], hint=f"bdc app rollback {name[:60]}")
        caller = await self.tokens.check(exchange.authorization)
        await exchange.answer(200, self._described(await self.switching.rollback(name, caller.name)))

    async def delete(self, exchange: Exchange, name: str, number: str) -> None:
        """Its calls end first; ``?live=true``: though it is live."""
        await self.versions.delete(name, number, live=flag_of(exchange, "live"))
        await exchange.answer(200, {"name": name, "version": number})

    async def logs(self, exchange: Exchange, name: str, number: str) -> None:
        """The last lines; ``?lines=100``, ``?predictions=true``: of what it was asked and answered."""
        lines, version = number_of(exchange, "lines", "100", 1, MAX_LINES), self.versions.get(name, number)
        if not flag_of(exchange, "predictions"):
            return await exchange.answer(200, {"lines": version.log.tail(lines)})
        if version.predictions is None:
            raise ConflictError(
                f"{version.kept.label} keeps no prediction log", where=name[:60],
                hint="write 'options: {prediction_log: true}' into its spec.yaml, then bdc app update",
            )  # fmt: skip
        return await exchange.answer(200, {"lines": await version.predictions.tail(lines)})


def _shape(parts: list[str]) -> tuple[tuple[str, ...], str, str]:
    """A path without its name and version."""
    if parts[1:3] == ["api", "app"] and len(parts) == 6 and parts[5] != "v2":
        return ("api", "app", parts[5]), parts[3], parts[4]
    if parts[1:4] == ["api", "v1", "app-secrets"] and len(parts) in (5, 6):
        return (*parts[1:4], "NAME", *(["SECRET"] if len(parts) == 6 else [])), parts[4], parts[-1]
    if parts[1:3] == ["api", "app"] and parts[5:6] == ["v2"]:
        return inference.shape(parts), parts[3], parts[4]
    if parts[1:4] == ["api", "v1", "apps"] and len(parts) in (6, 7):
        return ("api", "v1", "apps", "VERSION", *parts[6:]), parts[4], parts[5]
    return tuple(parts[1:]), "", ""


ROUTES: dict[tuple[str, ...], dict[str, tuple[frozenset[str] | None, Handler]]] = {
    ("healthz",): {"GET": (None, Proxy.health)},
    ("api", "app", "swagger.json"): {"GET": (READERS, Proxy.swagger)},
    ("api", "app", "batch"): {"GET": (None, batch.describe), "POST": (None, batch.run)},  # for the compute pool too: see there
    ("api", "app", "model"): {"GET": (None, batch.model)},
    **inference.ROUTES,
    ("api", "v1", "audit"): {"GET": (ADMINS, auditing.show)},
    ("api", "v1", "apps"): {"GET": (READERS, Proxy.list), "POST": (OWNERS, Proxy.create), "PUT": (OWNERS, Proxy.update)},
    ("api", "v1", "apps", "VERSION"): {"GET": (READERS, Proxy.describe), "DELETE": (OWNERS, Proxy.delete)},
    ("api", "v1", "apps", "VERSION", "log"): {"GET": (OWNERS, Proxy.logs)},
    ("api", "v1", "apps", "VERSION", "history"): {"GET": (READERS, histories.show)},
    ("api", "v1", "apps", "VERSION", "promote"): {"POST": (OWNERS, Proxy.promote)},
    ("api", "v1", "apps", "VERSION", "canary"): {"POST": (OWNERS, Proxy.canary)},
    ("api", "v1", "apps", "VERSION", "rollback"): {"POST": (OWNERS, Proxy.rollback)},
    ("api", "v1", "app-secrets", "NAME"): {"GET": (OWNERS, secret_routes.show)},
    ("api", "v1", "app-secrets", "NAME", "SECRET"): {"PUT": (OWNERS, secret_routes.keep), "DELETE": (OWNERS, secret_routes.drop)},
}
"""Path → method → who may (None: everybody), and what answers. ``run`` is beside the table: it is the way of every call."""


def _not_ready(version: Version) -> AppError:
    if version.state == "Error":
        return StartError(f"{version.kept.label} can't be started: {version.reason}", where=version.kept.name, hint="bdc app logs")
    return NotReadyError(f"{version.kept.label} is not ready: {version.state}", where=version.kept.name, hint="bdc app list")


def _wrong_method(exchange: Exchange) -> dict[str, object]:
    where = f"{exchange.scope['method']} {exchange.scope['path'][:200]}"
    inner = {"code": "method_not_allowed", "message": "this path does not take that method", "where": where, "hint": None}
    if exchange.inference:
        return {"error": f"{inner['message']}: {where}"}
    return {"success": False, "errorMessage": inner["message"], "error": inner, "request_id": exchange.id}
