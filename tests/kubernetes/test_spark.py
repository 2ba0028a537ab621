"""Spark of a cluster in pods: the Connect server on first use, a session from outside that reads and writes, a job that outlives the
controller."""

from __future__ import annotations

import json
import subprocess
from typing import cast

import pytest

from tests.kubernetes import lake
from tests.services import spark as spark_tests
from tests.services.kubernetes.product import Json, Product

pytestmark = [pytest.mark.kubernetes, pytest.mark.full, pytest.mark.timeout(900)]
SERVER = "spark-connect-0"
PATIENCE = 600.0
"""Seconds: a JVM takes 15 s of computing to begin, on a machine that may be busy."""
CLIENT = """
import json, sys
from pyspark.sql import SparkSession
given = json.load(sys.stdin)
spark = SparkSession.builder.remote(given.pop("remote")).getOrCreate()
houses = spark.read.format("bdc").options(**given, dbtable="lake.houses").load()
houses.write.format("bdc").options(**given, dbtable="lake.from_spark").mode("overwrite").save()
print(json.dumps([houses.count(), spark.read.csv("/lake/houses.csv", header=True).count()]))
"""
JOB = """
import time
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
spark.range(7).write.mode("overwrite").parquet("/lake/begun")
deadline = time.monotonic() + 600
path = spark._jvm.org.apache.hadoop.fs.Path("/lake/go")
files = path.getFileSystem(spark._jsc.hadoopConfiguration())
while not files.exists(path) and time.monotonic() < deadline:
    time.sleep(0.2)
print("houses:", spark.read.csv("/lake/houses.csv", header=True).count())
"""


def address(place: Product) -> str:
    return next(str(entry["endpoint"]) for entry in place.bdc("endpoint", "list") if entry["name"] == "spark")


def test_it_rests_until_it_is_asked_for_and_is_reached_by_its_pods_name(place: Product) -> None:
    assert address(place) == f"sc://{SERVER}.{place.name}.svc:31590"
    tree = place.bdc("status", "--service", "spark")
    assert (tree["state"], tree["health"]) == ("stopped", "healthy")
    assert not place.pods(f"openbdc.dev/workload={SERVER}")


def test_a_session_from_outside_reads_a_virtual_table_and_writes_the_data_pool(place: Product) -> None:
    started = place.bdc("spark", "start", "--timeout", "600", seconds=620)
    assert started["forward"].endswith(f"--namespace {place.name} service/{SERVER} 31590")
    port = place.node.reach_service(place.name, SERVER, 31590)
    given = {"user": "admin", "password": place.password, "remote": f"sc://localhost:{port}/;token={started['token']}"}
    done = subprocess.run(
        [spark_tests.install(), "-c", CLIENT], input=json.dumps(given), text=True, capture_output=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:] + place.kubectl("logs", f"deployment/{SERVER}", "--tail=30")
    assert json.loads(done.stdout.splitlines()[-1]) == [300, 300]
    with place.sql() as master:
        both = "SELECT count(*), sum(rooms), sum(id) FROM "
        assert master.execute(f"{both} lake.from_spark").fetchone() == master.execute(f"{both} lake.houses").fetchone()
        assert master.execute("SELECT relkind::text FROM pg_class WHERE relname = 'from_spark'").fetchone() == ("f",)
        master.execute("DROP FOREIGN TABLE lake.from_spark")
    place.bdc("spark", "stop", output=None)
    place.until(lambda: not place.pods(f"openbdc.dev/workload={SERVER}"), "its pod is gone")


def test_a_job_outlives_the_controller(place: Product) -> None:
    program = place.node.folder / "job.py"
    program.write_text(JOB)
    number = int(str(place.bdc("spark", "submit", str(program), output=None)).split()[1])
    place.until(lambda: "begun" in str(place.bdc("hdfs", "ls", "hdfs:/lake", output=None)), "the job has begun", PATIENCE)
    (pod,) = place.pods(f"openbdc.dev/workload=spark-job-{number}")
    place.kubectl(
        "delete", "pod", "-l", "app.kubernetes.io/name=openbdc,app.kubernetes.io/component=control", "--grace-period=0", "--force"
    )
    place.kubectl("rollout", "status", "deployment/openbdc", "--timeout=180s", seconds=200)
    (same,) = place.pods(f"openbdc.dev/workload=spark-job-{number}")
    assert same["metadata"]["uid"] == pod["metadata"]["uid"]
    place.bdc("hdfs", "mkdir", "hdfs:/lake/go", output=None)
    place.until(lambda: job(place, number)["state"] not in ("waiting", "starting", "running"), "the job has ended", PATIENCE)
    assert (job(place, number)["state"], job(place, number)["exit_code"]) == ("done", 0)
    assert f"houses: {lake.HOUSES.count(chr(10)) - 1}" in str(place.bdc("spark", "logs", str(number), output=None))
    for path in ("begun", "go"):
        place.bdc("hdfs", "rm", "-r", f"hdfs:/lake/{path}", output=None)


def job(place: Product, number: int) -> Json:
    """As ``bdc spark jobs`` shows it; empty while no controller answers."""
    try:
        jobs = cast("list[Json]", place.bdc("spark", "jobs"))
    except RuntimeError:
        return {"state": "waiting"}
    return next(entry for entry in jobs if entry["id"] == number)
