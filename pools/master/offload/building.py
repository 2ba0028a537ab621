"""Builds the module with the C compiler of the machine, against the headers that came with the server."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from pools.master.offload import file_name, sources

COMPILERS = ("cc", "gcc", "clang")
FLAGS = ("-std=gnu11", "-O2", "-fPIC", "-shared", "-fno-strict-aliasing", "-fwrapv", "-fvisibility=hidden")
SECONDS = 120


class NotBuiltError(Exception):
    """Why there is no module; ``hint``: what to do about it."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def built(pg_config: Path, version: int, folder: Path) -> Path:
    """The library in ``folder``, built if it is not there yet. ``pg_config``: the server's; ``version``: its major version."""
    path = folder / file_name(version)
    if path.is_file():
        return path
    if version != 18:
        raise NotBuiltError(f"the module is made for PostgreSQL 18, this is {version}", "use the PostgreSQL that comes with OpenBDC")
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        raise NotBuiltError("there is no C compiler", "apt-get install gcc libc6-dev")
    headers = _headers(pg_config)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as place:
            made = Path(place) / path.name
            _compile(compiler, headers, made)
            made.chmod(0o755)
            made.replace(path)  # two at once both end with a whole file
    except OSError as error:
        raise NotBuiltError(
            f"{folder} can't be written: {error.strerror}", "set BDC_ARTIFACTS to a folder that you may write to"
        ) from error
    return path


def _headers(pg_config: Path) -> Path:
    hint = "apt-get install postgresql-server-dev-18, or use the PostgreSQL that comes with OpenBDC"
    try:
        said = subprocess.run([pg_config, "--includedir-server"], capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise NotBuiltError(f"{pg_config} can't be run", hint) from error
    headers = Path(said.strip())
    if not (headers / "postgres.h").is_file():
        raise NotBuiltError(f"PostgreSQL's headers are not in {headers}", hint)
    return headers


def _compile(compiler: str, headers: Path, made: Path) -> None:
    # the server's own headers include others of PostgreSQL, which lie beside or below them
    includes = [f"-I{folder}" for folder in (headers, headers.parent, headers.parent / "internal")]
    units = [str(source) for source in sources() if source.suffix == ".c"]
    try:
        done = subprocess.run(
            [compiler, *FLAGS, *includes, "-o", str(made), *units],
            capture_output=True, text=True, timeout=SECONDS, check=False, env={**os.environ, "LC_ALL": "C"},
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        raise NotBuiltError(f"{compiler} can't be run: {error}", "apt-get install gcc libc6-dev") from error
    if done.returncode != 0:
        problem = next((line for line in done.stderr.splitlines() if "error" in line), f"it ended with {done.returncode}")
        raise NotBuiltError(f"{compiler} can't build it: {problem}", "apt-get install gcc libc6-dev")
