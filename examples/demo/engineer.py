"""The demo's Spark step: an engineer of her own account writes house.csv from Spark into the master and the data pool, and reads it back.

Spark is 450 MB, so the demo does not install it unasked: ``scripts/demo.sh --spark`` does, into ``.cache/spark-venv``.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from console import BDC, bdc, heading, styled

ENVIRONMENT = Path(".cache/spark-venv")
VARIABLE = "BDC_SPARK_PYTHON"
PROGRAM = Path(__file__).with_name("house.py")
ENGINEER = "engineer"
SETUP = f"CREATE SCHEMA IF NOT EXISTS {ENGINEER}; GRANT USAGE, CREATE ON SCHEMA {ENGINEER} TO {ENGINEER}"
COUNTS = f"SELECT (SELECT count(*) FROM {ENGINEER}.house) AS house, (SELECT count(*) FROM {ENGINEER}.house_dp) AS house_dp"
ROWS = 506


def python() -> str | None:
    """The Python that has Spark: what BDC_SPARK_PYTHON names, or what ``scripts/spark.sh`` has made; None: there is none."""
    made = ENVIRONMENT.resolve() / "bin" / "python"  # without links: the pools' OS users must reach it
    return os.environ.get(VARIABLE) or (str(made) if (ENVIRONMENT / "openbdc-stamp").is_file() else None)


def spark_step() -> None:
    """All of it, or a sentence on how to get it."""
    heading("Spark writes into the master and into the data pool")
    found = python()
    if found is None:
        print("Left out: Spark is not installed here. scripts/demo.sh --spark (make demo SPARK=1) downloads its 450 MB and shows it.")
        return
    password = engineer()
    bdc("sql", "query", SETUP)
    remote = json.loads(bdc("spark", "start", "-o", "json", quiet=True))["remote"]
    print(styled(f"$ python {PROGRAM.relative_to(Path.cwd())}", "1"), PROGRAM.read_text().partition('"""\n\n')[2], sep="\n", flush=True)
    run(found, {"remote": remote, "user": ENGINEER, "password": password})
    with password_is(password):
        counted = json.loads(bdc("sql", "query", COUNTS, "-U", ENGINEER, "-o", "json"))
        per_shard = rows_per_shard(f"{ENGINEER}.house_dp", "-U", ENGINEER, wanted=ROWS)
        bdc("data", "stats", f"{ENGINEER}.house_dp", "-U", ENGINEER)
    if counted != [{"house": ROWS, "house_dp": ROWS}] or sum(per_shard) != ROWS or 0 in per_shard:
        sys.exit(f"demo: error: both tables should hold {ROWS} rows, the second one on every shard: {counted}, {per_shard}")
    print(f"Checked: {ROWS} rows in both, {' + '.join(map(str, per_shard))} on the shards.")


def rows_per_shard(table: str, *login: str, wanted: int) -> list[int]:
    """Queries see a load from its commit on; the shards' own figures follow a moment later, so ask until they do (10 s at most)."""
    deadline = time.monotonic() + 10
    while True:
        done = subprocess.run([BDC, "data", "stats", table, *login, "-o", "json"], stdout=subprocess.PIPE, text=True, check=True)
        found = [shard["rows"] for shard in json.loads(done.stdout)]
        if sum(found) == wanted or time.monotonic() > deadline:
            return found
        time.sleep(0.3)


def engineer() -> str:
    """The account, with a new password, which is kept nowhere. It may do what users may."""
    password = secrets.token_urlsafe(18)
    known = {user["name"] for user in json.loads(bdc("user", "list", "-o", "json", quiet=True))}
    os.environ["BDC_NEW_PASSWORD"] = password
    try:
        bdc("user", "passwd" if ENGINEER in known else "add", ENGINEER)
    finally:
        del os.environ["BDC_NEW_PASSWORD"]
    return password


def run(found: str, given: dict[str, str]) -> None:
    """The engineer's program; the secrets go to it on standard input."""
    done = subprocess.run([found, PROGRAM], input=json.dumps(given), text=True, check=False)
    if done.returncode:
        sys.exit(f"demo: error: {PROGRAM.name} ended with {done.returncode}\n  next:    bdc logs spark-connect-0")


@contextmanager
def password_is(password: str) -> Iterator[None]:
    """``bdc`` logs in with it within the block."""
    before = os.environ.get("BDC_PASSWORD")
    os.environ["BDC_PASSWORD"] = password
    try:
        yield
    finally:
        del os.environ["BDC_PASSWORD"]
        if before is not None:
            os.environ["BDC_PASSWORD"] = before
