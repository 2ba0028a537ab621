"""Whether a version answers: asked before calls go to it that went elsewhere until then."""

from __future__ import annotations

import asyncio
from pathlib import Path

from apps.errors import AppError, StartError
from apps.sample import SAMPLE, sample
from apps.spec import AppSpec
from apps.worker.pool import Workers

SECONDS = 20.0
"""Less than whoever asks for the switch waits."""


async def probe(code: Path, spec: AppSpec, workers: Workers) -> None:
    """A call with the package's sample; without one a sign of life of a worker. StartError."""
    try:
        async with asyncio.timeout(SECONDS):
            inputs = await asyncio.to_thread(sample, code, spec.inputs)
            if inputs is None:
                return await workers.ping()
            await workers.call(inputs)
    except AppError as error:
        if not (code / SAMPLE).exists():
            raise StartError(error.message, where=spec.src) from None
        raise StartError(f"with {SAMPLE}: {error.message}", where=SAMPLE) from None
    except TimeoutError:
        raise StartError(f"it did not answer within {SECONDS:g} s", where=spec.src) from None
