"""Calls of an app for many rows at once: what SQL and Spark ask.

    GET  /api/app/NAME/VERSION/batch   what it takes and gives, and the digest of its model
    POST /api/app/NAME/VERSION/batch   {"inputs": {NAME: [values]}} → {"outputs": {NAME: [values]}, "rows": N}
    GET  /api/app/NAME/VERSION/model   {"sha256", "model"}: for whoever runs it beside the rows (runtime onnx), in base64

Each row is a call like any other: the same check of its inputs, a worker, the same outputs. One request takes as many rows as there is
time for (``BATCH_SECONDS``) and says how many; the rest is asked again. The first row that fails ends it, with its number.

Who asks: a token as everywhere, or the compute pool for one of its users, with a ticket (``pools/tickets.py``): it has asked the master
whether that user may call apps.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import pathlib
import time
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from apps.checking import check, parse
from apps.errors import CallError, InputError, OverloadError, StartError
from apps.worker.pool import Workers
from pools.app.errors import NotReadyError, RequestError
from pools.app.exchange import Exchange
from pools.app.tokens import READERS, RefusedError
from pools.tickets import Audience, TicketError

if TYPE_CHECKING:
    from pools.app.proxy import Proxy
    from pools.app.version import Version

AUDIENCE: Audience = "app"
OPERATION = "batch"
SCHEME = b"BDC-Ticket "
MAX_ROWS = 65_536
BATCH_SECONDS = 2.0
_digests: weakref.WeakKeyDictionary[Workers, str] = weakref.WeakKeyDictionary()


async def describe(proxy: Proxy, exchange: Exchange, name: str, number: str) -> None:
    """What a caller must know before it sends rows."""
    await _admit(proxy, exchange)
    version, workers = _ready(proxy.versions.get(name, number))
    spec = version.spec
    assert spec is not None
    model = await asyncio.to_thread(_digest, workers) if spec.runtime == "onnx" else None
    await exchange.answer(
        200,
        {
            "name": spec.name,
            "version": spec.version,
            "digest": version.kept.digest,
            "runtime": spec.runtime,
            "inputs": dict(spec.inputs),
            "outputs": dict(spec.outputs),
            "timeout": spec.timeout,
            "workers": spec.workers,
            "memory_mb": spec.resources.memory_mb,
            "model": model,
        },
    )


async def model(proxy: Proxy, exchange: Exchange, name: str, number: str) -> None:
    """The file that the spec names, where that is all of the app."""
    await _admit(proxy, exchange)
    version, workers = _ready(proxy.versions.get(name, number))
    assert version.spec is not None
    if version.spec.runtime != "onnx":
        raise RequestError(f"{version.kept.label} is no model: its runtime is {version.spec.runtime}", where=name, hint="POST …/batch")
    content = await asyncio.to_thread(_model_file(workers).read_bytes)
    digest = hashlib.sha256(content).hexdigest()
    await exchange.answer(200, {"sha256": digest, "model": base64.b64encode(content).decode()})


async def run(proxy: Proxy, exchange: Exchange, name: str, number: str) -> None:
    """As many rows as there is time for."""
    await _admit(proxy, exchange)
    given = parse(await exchange.body(proxy.settings.body_bytes))
    while True:
        version, workers = _ready(proxy.versions.get(name, number))
        spec = version.spec
        assert spec is not None
        found = await _called(version, workers, _rows(given, spec.inputs), exchange.id)
        if found:  # else the version was switched away at just that moment
            break
    outputs = {output: [one[output] for one in found] for output in spec.outputs}
    await exchange.answer(200, {"outputs": outputs, "rows": len(found)})


async def _called(version: Version, workers: Workers, rows: list[dict[str, Any]], request: str) -> list[dict[str, Any]]:
    """The outputs of the first rows, in order: as many calls at once as there are workers, and no more of the queue than that. Fewer, or
    none, where the workers are closed meanwhile because another package took their place: the rest is asked of that."""
    assert version.spec is not None
    ends, done, found = time.monotonic() + BATCH_SECONDS, 0, list[dict[str, Any]]()
    while done < len(rows) and (not done or time.monotonic() < ends):
        some = rows[done : done + workers.count]
        results = await asyncio.gather(*(_one(version, workers, row, done + at) for at, row in enumerate(some)), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                if isinstance(result, OverloadError) and workers.closed:
                    return found
                if isinstance(result, CallError):
                    version.log.say(f"request {request}: {result.code}: {result.message}")
                raise result
            found.append(result)
        done += len(some)
    return found


async def _one(version: Version, workers: Workers, row: dict[str, Any], number: int) -> dict[str, Any]:
    assert version.spec is not None
    tally = version.tally
    try:
        inputs = check(row, version.spec.inputs)
    except InputError as error:
        tally.refused += 1
        raise InputError(f"row {number}: {error.message}", where=error.where, hint=error.hint) from None
    tally.calls += 1
    begun = time.perf_counter()
    try:
        return (await workers.call(inputs)).outputs
    except CallError as error:
        tally.fail(error.code)
        raise type(error)(f"row {number}: {error.message}", where=error.where, hint=error.hint, console=error.console) from None
    finally:
        tally.took(time.perf_counter() - begun)


def _rows(given: object, inputs: Mapping[str, str]) -> list[dict[str, Any]]:
    """Columns as rows. InputError."""
    columns = given.get("inputs") if isinstance(given, dict) else None
    if not isinstance(columns, dict) or not all(isinstance(values, list) for values in columns.values()):
        raise InputError('the body must be {"inputs": {NAME: [values], …}}', where="body")
    lengths = {len(values) for values in columns.values()}
    if len(lengths) > 1:
        raise InputError("the columns must be of equal length", where="inputs")
    count = lengths.pop() if lengths else 0
    if not 0 < count <= MAX_ROWS:
        raise InputError(f"one request takes from 1 to {MAX_ROWS} rows", where="inputs", hint="send more requests")
    if columns.keys() != inputs.keys():
        check({name: None for name in columns}, inputs)  # names what is missing, or too many
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


async def _admit(proxy: Proxy, exchange: Exchange) -> None:
    """RefusedError."""
    if not exchange.authorization.startswith(SCHEME):
        await exchange.caller(proxy.tokens, READERS)
        return
    if proxy.tickets is None:
        raise RefusedError("this app proxy takes no calls of the compute pool", 403, "call apps by REST")
    try:
        claims = proxy.tickets.verify(exchange.authorization[len(SCHEME) :].decode("latin-1"), AUDIENCE, {OPERATION})
        exchange.user, exchange.rule = claims.get("user"), "ticket of the compute pool"
    except TicketError as error:
        raise RefusedError(error.message, 401, error.hint) from None


def _ready(version: Version) -> tuple[Version, Workers]:
    if version.workers is not None and version.spec is not None:
        return version, version.workers
    if version.state == "Error":
        raise StartError(f"{version.kept.label} can't be started: {version.reason}", where=version.kept.name, hint="bdc app logs")
    raise NotReadyError(f"{version.kept.label} is not ready: {version.state}", where=version.kept.name, hint="bdc app list")


def _model_file(workers: Workers) -> pathlib.Path:
    return pathlib.Path(str(workers.launch.init["folder"])) / str(workers.launch.init["src"])


def _digest(workers: Workers) -> str:
    """Of the model that these workers run; an update brings other workers."""
    found = _digests.get(workers)
    if found is None:
        found = _digests[workers] = hashlib.sha256(_model_file(workers).read_bytes()).hexdigest()
    return found
