"""The Open Inference Protocol v2 (KServe, Triton) of apps that are models, below ``/api/app/NAME/VERSION/v2``:

    GET  v2, v2/health/live, v2/health/ready, v2/models/NAME[/versions/V][/ready]
    POST v2/models/NAME[/versions/V]/infer

Each row is a call like any other: the same check, a worker, the same outputs as ``run`` gives. An error is ``{"error": "sentence"}``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from apps.checking import parse
from apps.errors import CallError, InputError, OverloadError, TimeLimitError
from apps.runtimes import RUNTIMES
from apps.spec import AppSpec
from pools.app.calling import called
from pools.app.errors import NotReadyError, RequestError, UnknownAppError
from pools.app.exchange import Exchange
from pools.app.live import LIVE
from pools.app.tensors import TensorError, answer, asked, metadata
from pools.app.tokens import READERS

if TYPE_CHECKING:
    from pools.app.proxy import Proxy
    from pools.app.version import Version

Handler = Callable[["Proxy", Exchange, str, str], Awaitable[None]]
Methods = dict[str, tuple[frozenset[str] | None, Handler]]
SERVER, PROTOCOL = "openbdc", "2"
PLATFORMS = {"onnx": "onnx_onnxv1", "mlflow": "mlflow_pyfunc"}
MODEL, NUMBER = 7, 9
"""Where in the path the model is named, and its version."""


def shape(parts: list[str]) -> tuple[str, ...]:
    """Of a path below ``/api/app/NAME/VERSION/v2``, without the names in it."""
    rest = parts[6:-1] if parts[-1] == "" else parts[6:]
    if rest[:1] == ["models"] and len(rest) > 1:
        rest[1] = "MODEL"
        if rest[2:3] == ["versions"] and len(rest) > 3:
            rest[3] = "NUMBER"
    return ("api", "app", "v2", *rest)


async def server(proxy: Proxy, exchange: Exchange, name: str, number: str) -> None:
    """Which protocol this is."""
    _model(proxy, exchange, name, number)
    await exchange.answer(200, {"name": SERVER, "version": PROTOCOL, "extensions": []})


async def live(proxy: Proxy, exchange: Exchange, name: str, number: str) -> None:
    """The proxy answers."""
    proxy.versions.get(name, number)
    await exchange.answer(200, {"live": True})


async def ready(proxy: Proxy, exchange: Exchange, name: str, number: str) -> None:
    """Whether the model can be called: 200, or 503."""
    serves = proxy.versions.get(name, number).workers is not None
    await exchange.answer(200 if serves else 503, {"live": serves, "ready": serves})


async def model_ready(proxy: Proxy, exchange: Exchange, name: str, number: str) -> None:
    """The same, with its name."""
    version = proxy.versions.get(name, number)
    _named(exchange, version)
    serves = version.workers is not None
    await exchange.answer(200 if serves else 503, {"name": name, "ready": serves})


async def describe(proxy: Proxy, exchange: Exchange, name: str, number: str) -> None:
    """Its tensors."""
    version, spec = _model(proxy, exchange, name, number)
    found = {"name": name, "versions": [version.kept.version], "platform": PLATFORMS[spec.runtime]}
    await exchange.answer(200, {**found, "inputs": metadata(spec.inputs), "outputs": metadata(spec.outputs)})


async def infer(proxy: Proxy, exchange: Exchange, name: str, number: str) -> None:
    """All rows, or an error."""
    _model(proxy, exchange, name, number)
    body = await exchange.body(proxy.settings.body_bytes)
    version = proxy.versions.called(name, number) if number == LIVE and len(exchange.scope["path"].split("/")) <= NUMBER else None
    version, spec = _serving(version or proxy.versions.get(name, number))
    try:
        request = asked(parse(body), spec.inputs, spec.outputs)
    except (InputError, TensorError) as error:
        version.tally.refused += 1
        raise TensorError(error.message, where=error.where, hint=error.hint) from None
    results = await _called(version, spec, request.rows, exchange.id)
    said: dict[str, Any] = {"model_name": name, "model_version": version.kept.version}
    if request.id is not None:
        said["id"] = request.id
    await exchange.answer(
        200, {**said, "outputs": answer(results, request.outputs, spec.outputs)}, (b"x-app-version", version.kept.version.encode())
    )


async def _called(version: Version, spec: AppSpec, rows: list[dict[str, Any]], request: str) -> list[dict[str, Any]]:
    """The outputs of all rows, as many at once as there are workers. The first row that fails ends it, with its number. Where another
    package takes the workers' place meanwhile, that gives the rest."""
    ends, found = time.monotonic() + spec.timeout, list[dict[str, Any]]()
    while len(found) < len(rows):
        workers = version.workers
        if workers is None or version.spec is None or version.spec.inputs != spec.inputs or version.spec.outputs != spec.outputs:
            raise NotReadyError(f"{spec.label} was changed meanwhile", where=spec.name, hint="send it again")
        some = rows[len(found) : len(found) + workers.count]
        results = await asyncio.gather(*(called(version, workers, row, request) for row in some), return_exceptions=True)
        for result in results:
            if isinstance(result, OverloadError) and workers.closed and version.workers is not workers:
                break
            if isinstance(result, CallError):
                raise type(result)(f"row {len(found)}: {result.message}", where=result.where, hint=result.hint)
            if isinstance(result, BaseException):
                raise result
            found.append(result.outputs)
        if time.monotonic() > ends and len(found) < len(rows):
            raise TimeLimitError(
                f"{len(found)} of {len(rows)} rows were done within {spec.timeout:g} s",
                hint="send fewer at once; or a longer 'timeout' in spec.yaml",
            )
    return found


def _model(proxy: Proxy, exchange: Exchange, name: str, number: str) -> tuple[Version, AppSpec]:
    """UnknownAppError; NotReadyError; RequestError where it is no model."""
    version = proxy.versions.get(name, number)
    _named(exchange, version)
    return _serving(version)


def _named(exchange: Exchange, version: Version) -> None:
    """The model of the path is the app, and its version this one."""
    parts = exchange.scope["path"].split("/")
    kept = version.kept
    if len(parts) > MODEL and parts[MODEL - 1] == "models" and parts[MODEL] != kept.name:
        raise UnknownAppError(f"there is no model {parts[MODEL][:60]!r} here", where=parts[MODEL][:60], hint=f"it is called {kept.name}")
    if len(parts) > NUMBER and parts[NUMBER - 1] == "versions" and parts[NUMBER] != kept.version:
        raise UnknownAppError(f"this is not version {parts[NUMBER][:60]!r}", where=parts[NUMBER][:60], hint=f"it is {kept.version}")


def _serving(version: Version) -> tuple[Version, AppSpec]:
    spec, label = version.spec, version.kept.label
    if spec is not None and not RUNTIMES[spec.runtime].model:
        path = f"/api/app/{version.kept.name}/{version.kept.version}/run"
        raise RequestError(
            f"{label} is no model, its runtime is {spec.runtime}: the Open Inference Protocol is for models",
            where=label,
            hint=f"POST {path}",
        )
    if spec is None or version.workers is None:
        raise NotReadyError(f"{label} is not ready: {version.state}: {version.reason}", where=version.kept.name, hint="bdc app list")
    return version, spec


_BELOW: dict[tuple[str, ...], Methods] = {
    (): {"GET": (READERS, server)},
    ("health", "live"): {"GET": (READERS, live)},
    ("health", "ready"): {"GET": (READERS, ready)},
}
_OF_MODEL: dict[tuple[str, ...], Methods] = {
    (): {"GET": (READERS, describe)},
    ("ready",): {"GET": (READERS, model_ready)},
    ("infer",): {"POST": (READERS, infer)},
}
ROUTES: dict[tuple[str, ...], Methods] = {
    **{("api", "app", "v2", *rest): methods for rest, methods in _BELOW.items()},
    **{
        ("api", "app", "v2", "models", "MODEL", *version, *rest): methods
        for rest, methods in _OF_MODEL.items()
        for version in ((), ("versions", "NUMBER"))
    },
}
"""As the proxy's own table, which holds them."""
