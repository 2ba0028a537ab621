"""Python with a PySpark session: ``bdc spark shell``. The token goes to it by its environment, never by its arguments."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys

from bdc.errors import UserError

INSTALL = "pip install 'openbdc[spark-client]' (PySpark's client, 15 MB), or name a Python that has PySpark with --python"
PROBE = "import importlib.util, sys; sys.exit(any(importlib.util.find_spec(name) is None for name in ('pyspark', 'grpc', 'pandas')))"
SHELL = """
import atexit, os, sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.remote(os.environ.pop("BDC_SPARK_REMOTE")).getOrCreate()
atexit.register(spark.stop)

def _told(kind, value, trace):
    # PySpark ends the statement at the server only where Ctrl-C finds it waiting for the answer
    sys.__excepthook__(kind, value, trace)
    if kind is KeyboardInterrupt:
        try:
            spark.interruptAll()
        except Exception as error:
            print(f"The server was not told: {error}", file=sys.stderr)

sys.excepthook = _told
print(f"Spark {spark.version}: the session is 'spark'.")
"""


def client_python(given: str | None) -> str:
    """The Python to use, ``given`` or this one, as a path. UserError with the line to run unless it has a PySpark that can be a client."""
    python = os.path.abspath(shutil.which(given) or given) if given else sys.executable  # noqa: PTH100 - links stay: they are environments
    try:
        done = subprocess.run([python, "-c", PROBE], cwd="/", capture_output=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(f"{python} can't be run", why=str(error), hint=INSTALL) from error
    if done.returncode != 0:
        raise UserError(f"{python} has no PySpark", why="a client needs pyspark, grpcio and pandas", hint=INSTALL, code="not_installed")
    return python


def run_shell(endpoint: str, token: str, python: str) -> None:
    """Until the user leaves it. Ctrl-C is the shell's: here it is heard and does nothing (were it ignored, so it would be in the shell)."""
    environment = {**os.environ, "BDC_SPARK_REMOTE": f"{endpoint}/;token={token}"}
    before = signal.signal(signal.SIGINT, lambda _number, _frame: None)
    try:
        subprocess.run([python, "-i", "-c", SHELL], env=environment, check=False)
    finally:
        signal.signal(signal.SIGINT, before)
