"""Apache Spark for tests: an environment of its own from ``locks/spark.txt``, and scripts that run in it.

The environment lies in ``.cache/spark-venv`` and is made when it is missing or its lock changed (pyspark is 450 MB to download, built
from its source distribution). ``pyspark_bdc`` comes in by PYTHONPATH, through a folder that holds nothing else: Spark's workers see
the package, and nothing of ours besides.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from controller.substrates.local.programs import java

ROOT = Path(__file__).parent.parent.parent
CACHE = ROOT / ".cache"
ENVIRONMENT = CACHE / "spark-venv"

RUN_SECONDS = 400
STOP_SECONDS = 60
QUICK_START = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:-UsePerfData -Xshare:auto"
"""For tests, whose jobs take seconds: what the second compiler of the JVM would win, it costs. Not for what is measured."""


@dataclass(frozen=True)
class SparkEnvironment:
    """A Python that has pyspark and the needs of ``pyspark_bdc``; ``folder`` is for whatever Spark writes."""

    python: Path
    folder: Path
    java_options: str = QUICK_START

    def run(self, script: Path, given: dict[str, object], seconds: float = RUN_SECONDS) -> tuple[dict[str, object], str]:
        """Run ``script`` with ``given`` as JSON on standard input; the JSON of its last line, and everything it and Spark printed.

        ``given`` may hold passwords: it is not in the arguments or the environment. RuntimeError with the output's end if it fails.
        """
        done = subprocess.run(
            [self.python, script], input=json.dumps(given), env=self.variables(), cwd=self.folder, text=True,
            capture_output=True, timeout=seconds, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{script.name} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-6000:]}")
        result = json.loads(done.stdout.strip().splitlines()[-1])
        assert isinstance(result, dict)
        return result, done.stdout + done.stderr

    def variables(self) -> dict[str, str]:
        """Its environment."""
        home = Path(java()).resolve().parent.parent
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SPARK_", "PYSPARK_", "PYTHON", "PG"))}
        return {
            **kept,
            "JAVA_HOME": str(home),
            "PYTHONPATH": str(self.folder / "path"),
            "PYSPARK_PYTHON": str(self.python),
            "JDK_JAVA_OPTIONS": self.java_options,
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_LOCAL_DIRS": str(self.folder / "local"),
        }


@dataclass(frozen=True)
class SparkScripts:
    """Scripts one after the other in one Python and one JVM (``spark_scripts.py``); what each makes of Spark, it stops."""

    environment: SparkEnvironment
    process: subprocess.Popen[str]
    log: Path
    """What Spark wrote to standard error."""

    def run(self, script: Path, given: dict[str, object], seconds: float = RUN_SECONDS) -> tuple[dict[str, object], str]:
        """As ``SparkEnvironment.run``."""
        assert self.process.stdin is not None and self.process.stdout is not None
        before = self.log.stat().st_size
        self.process.stdin.write(json.dumps({"script": str(script), "given": given}) + "\n")
        self.process.stdin.flush()
        if not select.select([self.process.stdout], [], [], seconds)[0]:
            raise TimeoutError(f"{script.name} said nothing for {seconds:g} s:\n{self.log.read_text()[-6000:]}")
        answer = json.loads(self.process.stdout.readline() or '{"said": "", "failure": "its process ended"}')
        said = answer["said"] + self.log.read_bytes()[before:].decode(errors="replace")
        if answer["failure"]:
            raise RuntimeError(f"{script.name}: {answer['failure']}\n{said[-6000:]}")
        result = json.loads(answer["said"].strip().splitlines()[-1])
        assert isinstance(result, dict)
        return result, said


@contextmanager
def spark_scripts() -> Iterator[SparkScripts]:
    """Ready to run scripts; nothing runs afterwards."""
    with spark_environment() as spark, (spark.folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [spark.python, Path(__file__).with_name("spark_scripts.py")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=spark.variables(), cwd=spark.folder,
        )  # fmt: skip
        try:
            yield SparkScripts(spark, process, spark.folder / "log")
        finally:
            assert process.stdin is not None and process.stdout is not None
            process.stdin.close()
            process.wait(STOP_SECONDS)
            process.stdout.close()


def install() -> Path:
    """The environment's Python; makes the environment first where it is missing."""
    subprocess.run([ROOT / "scripts" / "spark.sh"], check=True)
    return ENVIRONMENT.resolve() / "bin" / "python"


def _other(version: str, folder: Path) -> Path:
    """The Python of an environment with another release of Spark and the newest of what ``pyspark_bdc`` needs."""
    uv = [str(CACHE / "bootstrap" / "bin" / "uv")]
    variables = {"UV_CACHE_DIR": str(CACHE / "uv"), **os.environ}
    needs = [line for line in (ROOT / "locks" / "spark.in").read_text().splitlines() if not line.startswith(("#", "pyspark"))]
    python = folder / "python" / "bin" / "python"
    for step in (
        ["venv", "--python", sys.executable, python.parent.parent],
        ["pip", "install", "--python", python, f"pyspark[connect]=={version}", *needs],
    ):
        subprocess.run([*uv, "-q", *step], check=True, env=variables)
    return python


@contextmanager
def spark_environment(java_options: str = QUICK_START, version: str | None = None) -> Iterator[SparkEnvironment]:
    """Ready to run scripts; what they leave behind is removed. A script's Spark ends with the script. ``version``: another one than
    the locked, in a throw-away environment."""
    with tempfile.TemporaryDirectory(prefix="openbdc-spark-", dir="/var/tmp") as name:
        folder = Path(name)
        python = _other(version, folder) if version else install()
        (folder / "path").mkdir()
        (folder / "path" / "pyspark_bdc").symlink_to(ROOT / "pyspark_bdc", target_is_directory=True)
        yield SparkEnvironment(python, folder, java_options)
