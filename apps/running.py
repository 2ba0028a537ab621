"""From an unpacked package to workers that are ready: what the proxy and ``bdc app test --local`` share."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from apps.environments import Environments
from apps.errors import StartError
from apps.reading import load
from apps.runtimes import RUNTIMES
from apps.spec import AppSpec
from apps.worker.calls import Launch
from apps.worker.pool import Workers
from apps.worker.spawning import OwnChildren, Spawner


@dataclass(frozen=True)
class Place:
    """Where a version runs: ``code`` is its unpacked package, ``scratch`` what its workers may write to, ``environments`` where those with
    requirements are kept. ``marks``: variables beside the spec's own; ``processes``, ``written``, ``spawner``, ``secrets``:
    as of ``Launch``, the last two by the spec: StartError. ``environments`` None: its processes are made elsewhere (``spawner``), where
    their environment is, and come by and by: those of one replica are enough to begin with."""

    code: Path
    scratch: Path
    environments: Environments | None
    marks: Mapping[str, str] = field(default_factory=dict)
    processes: int | None = None
    written: Callable[[bytes], None] = lambda _text: None
    spawner: Callable[[AppSpec], Spawner] = lambda _spec: OwnChildren()
    secrets: Callable[[AppSpec], Mapping[str, str]] = lambda _spec: {}


async def running(place: Place, workers: int | None = None) -> tuple[AppSpec, Workers]:
    """Started and ready. SpecError, StartError; then nothing is left. ``workers``: instead of as many as the spec says."""
    spec, requirements = await asyncio.to_thread(load, place.code)
    runtime = RUNTIMES[spec.runtime]
    if runtime.needs is not None and importlib.util.find_spec(runtime.needs[0]) is None:
        raise StartError(
            f"the runtime {spec.runtime} needs {runtime.needs[0]}, which is not installed",
            where="runtime",
            hint=f"pip install '{runtime.needs[1]}'",
        )
    spawner, secrets = place.spawner(spec), place.secrets(spec)
    here = place.environments
    python = "" if here is None else await asyncio.to_thread(here.python, requirements, place.code)
    launch = Launch(
        python=python,
        init=spec.init(str(place.code)),
        scratch=place.scratch,
        environment={**place.marks, **spec.env},
        processes=place.processes,
        written=place.written,
        spawner=spawner,
        secrets=secrets,
    )
    found = Workers(launch, workers or spec.workers, spec.timeout, spec.poolsize if here is None else None)
    await found.start()
    return spec, found
