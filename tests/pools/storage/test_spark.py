"""Spark's workloads and the launcher: what is laid, what is kept out of arguments, what can't be overridden."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pools.storage import spark_launch
from pools.storage.spark import Server, SparkJob, SparkSettings, connect_server, job, reserved, token_of
from pools.storage.spark_launch import escaped

SETTINGS = SparkSettings(
    (Server(0, 31590, "ann"),), "hdfs://{host:nmnode-0}:31500", cores=3, conf={"spark.sql.shuffle.partitions": "7"}, idle_seconds=60.0
)


def files(workload: object) -> dict[str, str]:
    return {file.path: file.content for file in workload.files}  # type: ignore[attr-defined]


def test_the_server_starts_on_first_use_and_uses_the_clusters_hdfs() -> None:
    server = connect_server(SETTINGS, SETTINGS.servers[0])
    assert server.on_demand is not None and server.on_demand.idle_seconds == 60.0
    assert server.endpoints[0].address == "sc://localhost:{port:connect}"
    defaults = files(server)["spark-defaults.conf"]
    assert "spark.hadoop.fs.defaultFS hdfs://{host:nmnode-0}:31500\n" in defaults
    assert "spark.master local[3]\n" in defaults and "spark.hadoop.dfs.replication 2\n" in defaults
    given_by_hand = json.loads(files(server)["given.json"])["conf"]
    assert given_by_hand["spark.sql.shuffle.partitions"] == "7" and given_by_hand["spark.connect.grpc.binding.port"] == "31590"
    assert server.environment["HADOOP_USER_NAME"] == "ann"


def test_in_a_pod_its_address_is_its_name() -> None:
    server = connect_server(replace(SETTINGS, listen="0.0.0.0"), SETTINGS.servers[0])
    assert server.endpoints[0].address == "sc://{host}:{port:connect}"


def test_a_server_of_ones_own_has_its_users_name_address_and_token() -> None:
    ann, bob = (Server(number, 31590 + number, name, own=True) for number, name in enumerate(("ann", "bob")))
    made = connect_server(SETTINGS, bob)
    assert (made.name, made.endpoints[0].name, made.ports[0].number) == ("spark-connect-1", "spark-bob", 31591)
    assert made.environment["HADOOP_USER_NAME"] == "bob" and made.command[-2:] == ("--owner", "bob")
    assert len({token_of("s3cret", server.owner) for server in (ann, bob, SETTINGS.servers[0])} | {token_of("other", "bob")}) == 4


def test_a_job_is_run_once_as_its_submitter_and_its_arguments_are_taken_word_by_word() -> None:
    made = job(SETTINGS, SparkJob(4, "hdfs:///a.py", ("{secrets}", "--x"), "bob", conf={"spark.a": "{data}"}, py_files=("hdfs:///b.py",)))
    assert (made.name, made.kind, made.environment["HADOOP_USER_NAME"]) == ("spark-job-4", "batch", "bob")
    given_by_hand = next(file for file in made.files if file.path == "given.json")
    assert given_by_hand.literal
    wanted = json.loads(given_by_hand.content)
    assert wanted["submit"] == ["--name", "spark-job-4", "--py-files", "hdfs:///b.py", "hdfs:///a.py", "{secrets}", "--x"]
    assert wanted["conf"] == {"spark.sql.shuffle.partitions": "7", "spark.a": "{data}"}
    assert not any("{secrets}" in part for part in made.command)


@pytest.mark.parametrize("name", ["spark.master", "spark.connect.authenticate.token", "spark.connect.grpc.binding.port"])
def test_what_is_the_clusters_own(name: str) -> None:
    assert reserved(name)


def test_other_settings_are_free() -> None:
    assert not reserved("spark.sql.shuffle.partitions") and not reserved("spark.connect.grpc.maxInboundMessageSize")


def test_the_token_is_in_a_file_of_mode_0400_and_nowhere_in_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, data, token = tmp_path / "config", tmp_path / "data", tmp_path / "token"
    config.mkdir()
    data.mkdir()
    (data / "local").mkdir()
    (data / "local" / "left-over").touch()
    token.write_text("s3cret\n")
    for path, content in files(connect_server(SETTINGS, SETTINGS.servers[0])).items():
        (config / path).write_text(content)
    became: list[tuple[list[str], dict[str, str]]] = []
    monkeypatch.setattr(spark_launch.os, "execve", lambda _program, argv, environment: became.append((argv, environment)))
    monkeypatch.chdir(tmp_path)
    where = {"--java": "/opt/java/bin/java", "--spark": "/opt/spark", "--config": config, "--data": data, "--token": token, "--heap": 700}
    spark_launch.main([str(part) for pair in where.items() for part in pair])
    argv, environment = became[0]
    assert "-Xmx700m" in argv and argv[-1] == "spark-internal" and environment["SPARK_CONF_DIR"] == str(data / "conf")
    assert "s3cret" not in " ".join([*argv, *environment.values()])
    laid = data / "conf" / "spark-defaults.conf"
    assert stat.S_IMODE(laid.stat().st_mode) == 0o400 and "spark.connect.authenticate.token s3cret\n" in laid.read_text()
    assert not (data / "local" / "left-over").exists()
    assert [path.name for path in (data / "python").iterdir()] == ["pyspark_bdc"]


@given(st.text(st.characters(exclude_categories=("C", "Zl", "Zp"))))
def test_values_survive_javas_property_format(value: str) -> None:
    written = escaped(value)
    assert written.isascii()
    assert written.encode().decode("unicode_escape").encode("utf-16", "surrogatepass").decode("utf-16") == value
