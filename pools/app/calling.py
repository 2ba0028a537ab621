"""One call of a version, counted and logged: whoever asks for it, by REST or by its schedule."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from apps.errors import CallError
from apps.worker.pool import Result, Workers
from pools.app.version import Version


async def called(version: Version, workers: Workers, inputs: Mapping[str, Any], request: str) -> Result:
    """``inputs`` are those of the spec. CallError and its kinds."""
    tally = version.tally
    tally.calls += 1
    begun = time.perf_counter()
    try:
        result = await workers.call(inputs)
    except CallError as error:
        tally.fail(error.code)
        version.log.say(f"request {request}: {error.code}: {error.message}")
        if version.predictions is not None:
            version.predictions.add(request, time.perf_counter() - begun, inputs, {"error": error.code})
        raise
    finally:
        tally.took(time.perf_counter() - begun)
    if version.predictions is not None:
        version.predictions.add(request, time.perf_counter() - begun, inputs, {"outputs": result.outputs})
    return result
