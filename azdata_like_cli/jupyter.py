"""JupyterLab for ``bdc notebook``: what its kernels find, and its life in the foreground.

Secrets go through the environment of the child only: ``SPARK_REMOTE`` holds Spark's token, ``BDC_PASSWORD`` a password that was asked for.
The kernel has the name of Jupyter's own (``python3``), so a notebook that was saved here opens anywhere.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bdc.errors import ServiceError, UserError
from bdc.magic import CONTEXT

INSTALL = "pip install 'openbdc[notebook,spark-client]' (250 MB), in the environment of bdc"
NEEDED = ("jupyterlab", "ipykernel")
PYSPARK = ("pyspark", "grpc", "pandas")
STOP_SECONDS = 20.0
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Lab:
    """How JupyterLab is started. ``port`` None: 8888, or the next free one; given: this one or none."""

    folder: pathlib.Path
    port: int | None = None
    browser: bool = True


def check_installed() -> None:
    """UserError with the line to run, unless JupyterLab can be started."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(f"{sys.executable} has no {' and no '.join(missing)}", hint=INSTALL, code="not_installed")


def pyspark_missing() -> str | None:
    """Why notebooks here can't be clients of Spark; None: they can."""
    missing = [name for name in PYSPARK if importlib.util.find_spec(name) is None]
    return f"{sys.executable} has no {' and no '.join(missing)}" if missing else None


def variables(context: str, master: str, *, remote: str | None, password: str | None) -> dict[str, str]:
    """What the kernels find in their environment, beside the caller's own. ``remote``: Spark's address with its token."""
    found = {CONTEXT: context, "BDC_MASTER": master}
    if remote is not None:
        found["SPARK_REMOTE"] = remote
    if password is not None:
        found["BDC_PASSWORD"] = password
    return found


def command(lab: Lab) -> list[str]:
    """JupyterLab's command line: on loopback, with a token that it makes itself and shows with its address."""
    words = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--ServerApp.answer_yes=True",
        f"--ServerApp.ip={LOOPBACK}",
        f"--ServerApp.root_dir={lab.folder}",
    ]
    if lab.port is not None:
        words += [f"--ServerApp.port={lab.port}", "--ServerApp.port_retries=0"]
    if not lab.browser:
        words.append("--no-browser")
    if os.geteuid() == 0:
        words.append("--allow-root")
    return words


@contextlib.contextmanager
def kernel() -> Iterator[str]:
    """A folder for JUPYTER_PATH whose Python kernel has loaded ``bdc.magic``; gone at the end."""
    with tempfile.TemporaryDirectory(prefix="bdc-notebook-") as name:
        place = pathlib.Path(name) / "kernels" / "python3"
        place.mkdir(parents=True)
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", "--ext=bdc.magic"]
        spec = {"argv": argv, "display_name": "Python 3 (OpenBDC)", "language": "python", "metadata": {"debugger": True}}
        (place / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
        yield name


def run(lab: Lab, added: Mapping[str, str]) -> None:
    """Until Ctrl-C, a signal, or the menu's "Shut Down" ends it. ServiceError when it fails by itself.

    It is in a process group of its own: a terminal's Ctrl-C reaches only us, and JupyterLab is told once, by SIGTERM, on which it ends its
    kernels without a question. SIGHUP (the terminal was closed) does what SIGTERM does.
    """
    before = signal.signal(signal.SIGHUP, signal.getsignal(signal.SIGTERM))
    try:
        with kernel() as folder:
            path = os.pathsep.join(part for part in (folder, os.environ.get("JUPYTER_PATH")) if part)
            process = subprocess.Popen(command(lab), env={**os.environ, **added, "JUPYTER_PATH": path}, process_group=0)
            try:
                code = process.wait()
            except KeyboardInterrupt:
                return
            finally:
                stop(process)
    finally:
        signal.signal(signal.SIGHUP, before)
    if code:
        raise ServiceError(f"JupyterLab ended with {code}", hint="what it wrote is above", code="jupyter_failed")


def stop(process: subprocess.Popen[bytes]) -> None:
    """End it with its kernels, unless it has ended; more Ctrl-C change nothing."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    finally:
        signal.signal(signal.SIGINT, before)
