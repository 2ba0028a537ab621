"""Whether a version answers: asked before calls go to it that went elsewhere until then."""

from __future__ import annotations

import asyncio
from pathlib import Path

from apps.checking import check, parse
from apps.errors import AppError, StartError
from apps.spec import AppSpec
from apps.worker.pool import Workers

SAMPLE = "sample.json"
"""In the package: inputs of a call that must succeed."""
MAX_BYTES = 16 * 2**20


async def probe(code: Path, spec: AppSpec, workers: Workers) -> None:
    """A call with the package's sample; without one a sign of life of a worker. StartError."""
    sample = await asyncio.to_thread(_read, code / SAMPLE)
    try:
        if sample is None:
            await workers.ping()
        else:
            await workers.call(check(parse(sample), spec.inputs))
    except AppError as error:
        where = f"with {SAMPLE}: " if sample is not None else ""
        raise StartError(f"{where}{error.message}", where=SAMPLE if sample is not None else spec.src) from None


def _read(path: Path) -> bytes | None:
    """None: there is none."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StartError(f"{SAMPLE} can't be read: {error.strerror}", where=SAMPLE) from None
