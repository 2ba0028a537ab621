"""``bdc app test --local``: the package as it would be sent, run here in a worker with the limits of its spec."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apps import package
from apps.checking import check
from apps.environments import Environments
from apps.errors import StartError
from apps.running import Place, running
from apps.spec import AppSpec
from apps.worker.pool import Result

SQL_VARIABLES = ("PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE", "PGPASSFILE", "PGSERVICE", "PGSSLMODE", "PGSSLROOTCERT")


@dataclass(frozen=True)
class Tested:
    """``milliseconds``: of each call after the first; ``start_seconds``: until it was ready, environment included."""

    spec: AppSpec
    digest: str
    result: Result
    start_seconds: float
    milliseconds: tuple[float, ...]
    log: str


def environments_folder() -> Path:
    """Where this user's environments are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "openbdc" / "app-environments"


def test(folder: Path, inputs: Mapping[str, Any], calls: int = 1, environments: Path | None = None) -> Tested:
    """Pack ``folder``, unpack it elsewhere, start one worker and call it ``calls`` times with the same inputs. AppError."""
    packed = package.pack(folder)
    with tempfile.TemporaryDirectory(prefix="openbdc-app-") as temporary:
        place = Path(temporary)
        try:
            package.unpack(packed.archive, place / "code")
            return asyncio.run(_tested(place, packed.digest, inputs, calls, environments or environments_folder()))
        finally:
            package.remove(place / "code")


async def _tested(place: Path, digest: str, inputs: Mapping[str, Any], calls: int, environments: Path) -> Tested:
    written: list[bytes] = []
    begun = time.perf_counter()
    here = Place(place / "code", place / "scratch", Environments(environments), written=written.append, secrets=_secrets)
    spec, workers = await running(here, 1)
    ready = time.perf_counter() - begun
    try:
        result, taken = await workers.call(check(dict(inputs), spec.inputs)), []
        for _ in range(calls - 1):
            begun = time.perf_counter()
            await workers.call(inputs)
            taken.append((time.perf_counter() - begun) * 1000)
    finally:
        await workers.close()
    return Tested(spec, digest, result, ready, tuple(taken), b"".join(written).decode(errors="replace"))


def _secrets(spec: AppSpec) -> dict[str, str]:
    """Here they come from variables of the same names; a query logs in as who tests it. StartError."""
    if spec.runtime == "sql":
        return {name: os.environ[name] for name in {*SQL_VARIABLES, *spec.secrets} if name in os.environ}
    missing = [name for name in spec.secrets if not os.environ.get(name)]
    if missing:
        raise StartError(f"the secret {missing[0]} is not set", where="secrets", hint=f"for a test here it is the variable {missing[0]}")
    return {name: os.environ[name] for name in spec.secrets}
