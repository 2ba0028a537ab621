"""The house-price scenario from an empty machine to an empty machine: a cluster of its own, three notebooks, and nothing left.

    scripts/demo-house.sh           steps 1 to 16 and 18
    scripts/demo-house.sh --full    step 17 too: a million rows by the connector, beside Spark's JDBC
    scripts/demo-house.sh --mlflow  steps 9 to 12 with MLflow, which is installed first

Each step says what was expected and what was found; a wrong figure ends it, and the cluster is deleted all the same. Nothing of yours is
touched: the cluster, the logins and all files are in a folder of their own.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(ROOT), str(HERE.parent / "demo")]

import yaml  # noqa: E402 - what follows needs these folders
from console import BDC, bdc, heading  # noqa: E402 - the other demo's
from directory import Section, directory, login_of_a_person  # noqa: E402
from legacy import Legacy  # noqa: E402
from place import processes, stage  # noqa: E402
from sources import sources  # noqa: E402
from steps import StepError, check, left_out, measure, recorded  # noqa: E402

from controller.substrates.local.programs import artifacts, java  # noqa: E402

NOTEBOOKS = ("1-engineer.ipynb", "2-scientist.ipynb", "3-export.ipynb", "4-app.ipynb")
PYTHON = ROOT / ".cache/house-venv/bin/python"
SPARK = ROOT / ".cache/spark-venv"
MLFLOW = ROOT / ".cache/mlflow-venv"
ENDPOINTS = {"sql-server-master", "webhdfs", "spark", "app-proxy", "controller"}
DRIVER = "42.7.8"
READY_SECONDS = 120
GONE_SECONDS = 20.0


def creation(place: Path, cluster: str, people: Section | None) -> list[int]:
    """Steps 1 and 2. The ports that the cluster listens on."""
    heading("Step 1: a cluster on this machine")
    begun = time.monotonic()
    bdc("create", "--spec", spec(place, cluster, people))
    measure(1, "seconds until everything is ready", READY_SECONDS, time.monotonic() - begun)
    check(1, "state", "ready", json.loads(bdc("status", "-o", "json", quiet=True))["state"])
    listed = json.loads(bdc("endpoint", "list", "-o", "json", quiet=True))
    bdc("endpoint", "list")
    wanted = ENDPOINTS | ({"mlflow"} if tracked() else set())
    check(1, "endpoints", set(), wanted - {entry["name"] for entry in listed})
    heading("Step 2: the login")
    wrong = subprocess.run(
        [BDC, "login", cluster, "--username", "admin"],
        env={**os.environ, "BDC_PASSWORD": "wrong"},
        capture_output=True,
        text=True,
        check=False,
    )
    print(wrong.stderr, end="")
    check(2, "exit code of a wrong password (the original's is 1; here 4 says: the login)", 4, wrong.returncode)
    check(2, "a sentence for it, no traceback", True, wrong.stderr.startswith("bdc: error: ") and "Traceback" not in wrong.stderr)
    login_of_a_person(cluster, people)
    bdc("login", cluster, "--username", "admin")
    return [port for entry in listed if (port := urllib.parse.urlsplit(str(entry["endpoint"]).replace(",", ":")).port)]


def tracked() -> bool:
    """Whether MLflow is installed here."""
    return (MLFLOW / "bin/mlflow").exists()


def spec(place: Path, cluster: str, people: Section | None) -> str:
    """The profile's, with what this machine has more: a directory, MLflow. Its path."""
    path = place / "bdc.yaml"
    bdc("config", "init", str(path), "--name", cluster, "--profile", "local", quiet=True)
    found = yaml.safe_load(path.read_text())
    if people is not None:
        found["spec"]["security"]["directory"] = people
    if tracked():
        found["spec"]["pools"]["app"]["tracking"] = {"enabled": True, "bin": str(MLFLOW.resolve() / "bin")}
    path.write_text(yaml.safe_dump(found, sort_keys=False))
    return str(path)


def mlflow_variables() -> dict[str, str]:
    """What MLflow's client is told; nothing where there is no server."""
    if not tracked():
        return {}
    listed = json.loads(bdc("endpoint", "list", "-o", "json", quiet=True))
    address = next(str(entry["endpoint"]) for entry in listed if entry["name"] == "mlflow")
    token = str(json.loads(bdc("auth", "token", "-o", "json", quiet=True))["token"])
    return {"MLFLOW_TRACKING_URI": address, "MLFLOW_TRACKING_TOKEN": token, "MLFLOW_DISABLE_TELEMETRY": "true"}


def notebooks(work: Path, full: bool) -> None:
    """Steps 3 to 16, and 17."""
    heading("Spark Connect for the notebooks")
    remote = json.loads(bdc("spark", "start", "-o", "json", quiet=True))["remote"]
    host, port = master()
    given = {
        **os.environ,
        "SPARK_REMOTE": remote,
        "BDC_MASTER": f"{host}:{port}",
        "JAVA_HOME": str(Path(java()).resolve().parent.parent),  # for the notebook with a Spark of its own
        "PYSPARK_PYTHON": str(PYTHON),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "GRPC_ENABLE_FORK_SUPPORT": "false",  # a cell's !command is a fork at once replaced: gRPC has nothing to do there, and may break it
        "SPARK_LOCAL_DIRS": str(work / "local"),
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(HERE))),
        "PATH": os.pathsep.join((str(PYTHON.parent), str(Path(BDC).parent), os.environ["PATH"])),
        **mlflow_variables(),
    }
    run([HERE / "execute.py", *(HERE / name for name in NOTEBOOKS)], work, given)
    if not full:
        left_out(17, "a million rows beside Spark's JDBC", "some minutes: scripts/demo-house.sh --full (make demo-house FULL=1)")
        return
    heading("Step 17: a million rows")
    bdc("spark", "stop", quiet=True)  # its memory is wanted
    link = work / "path/pyspark_bdc"
    link.parent.mkdir()
    link.symlink_to(ROOT / "pyspark_bdc", target_is_directory=True)
    del given["SPARK_REMOTE"]
    given["PYTHONPATH"] = os.pathsep.join((str(link.parent), str(HERE)))
    login = {"host": host, "port": port, "user": "admin", "password": os.environ["BDC_PASSWORD"], "jar": str(jdbc_driver())}
    run([HERE / "bulk.py"], work, given, json.dumps(login))


def run(command: list[Path], work: Path, variables: dict[str, str], told: str | None = None) -> None:
    """A program of the notebooks' environment; it has said itself what was wrong. ``told``: on its standard input."""
    done = subprocess.run([PYTHON, *command], cwd=work, env=variables, input=told, text=True, check=False)
    if done.returncode:
        sys.exit(done.returncode)


def jdbc_driver() -> Path:
    """PostgreSQL's, from Maven's central repository, kept with the other jars."""
    from jgo.maven import MavenContext

    path = artifacts() / "benchmarks" / f"postgresql-{DRIVER}.jar"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        context = MavenContext(repo_cache=path.parent / "maven", timeout=120)
        path.write_bytes(Path(context.project("org.postgresql", "postgresql").at_version(DRIVER).artifact().resolve()).read_bytes())
    return path


def master() -> tuple[str, int]:
    """As Spark's programs find it."""
    entry = json.loads(bdc("endpoint", "list", "-o", "json", quiet=True))
    address = next(str(one["endpoint"]) for one in entry if one["name"] == "sql-server-master")
    parts = urllib.parse.urlsplit(address if "//" in address else f"//{address.replace(',', ':')}")
    return str(parts.hostname), int(parts.port or 0)


def deletion(home: Path, cluster: str, ports: list[int]) -> None:
    """Step 18."""
    heading("Step 18: nothing is left")
    bdc("delete", cluster, "--yes")
    deadline = time.monotonic() + GONE_SECONDS
    while (alive := processes(home / "clusters" / cluster)) and time.monotonic() < deadline:
        time.sleep(0.2)
    check(18, "processes", [], alive)
    check(18, f"ports, of {len(ports)}, that are listened on", [], [port for port in ports if listened(port)])
    check(18, "the cluster's folder is there", False, (home / "clusters" / cluster).exists())


def listened(port: int) -> bool:
    """On loopback."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def summary(record: Path) -> None:
    """The outcomes."""
    noted = recorded(record)
    heading("Summary")
    for entry in noted:
        if entry["outcome"] != "ok":
            print(f"  step {entry['step']:>2}  {entry['outcome']}: {entry['what']}: {entry['told']}")
    print(", ".join(f"{count} {outcome}" for outcome, count in Counter(entry["outcome"] for entry in noted).most_common()))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="step 17 too")
    parser.add_argument("--mlflow", action="store_true", help="MLflow is installed (scripts/demo-house.sh has done it)")
    full = parser.parse_args().full
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with stage(SPARK) as (place, cluster), ExitStack() as stack:
        legacy = Legacy(place / "legacy")
        people = stack.enter_context(directory())
        ports = creation(place, cluster, people)
        try:
            legacy.start()
            for name in ("first.json", "model.onnx"):
                shutil.copy(HERE.parent / "apps/house" / name, os.environ["HOUSE_DATA"])
            with sources(place, legacy, legacy.raw / "house.csv") as found:
                os.environ |= found
                notebooks(place / "work", full)
        finally:
            legacy.stop()
        deletion(place / "home", cluster, ports)
        summary(place / "steps.jsonl")


if __name__ == "__main__":
    try:
        main()
    except StepError as error:
        sys.exit(f"demo: error: {error}")
