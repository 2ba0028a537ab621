"""Routes of Spark: start and stop ask and dismiss, a missing Spark is told, jobs are checked before they are taken."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from typing import Any

import pytest

from controller.errors import SubstrateError
from tests.controller.api.service import ADMIN, PASSWORD, Service, served

SPARK = "/api/v1/bdc/services/spark"


@pytest.fixture
def service(tmp_path: pathlib.Path) -> Iterator[Service]:
    with served(tmp_path) as found:
        yield found


def asked(service: Service) -> set[str]:
    assert service.services.spark is not None
    return set(service.services.spark.demand.asked())


def test_a_missing_spark_is_told_with_the_line_to_run_and_nothing_is_asked_for(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_workload: object) -> str:
        raise SubstrateError("Spark is not installed", hint="pip install 'openbdc-cluster[spark]'")

    assert service.services.spark is not None
    monkeypatch.setattr(service.services.spark.substrate, "content_hash", missing)
    token = service.token(ADMIN)
    for path in ("/start", "/jobs"):
        answer = service.call("POST", SPARK + path, token, json={"file": "hdfs:///a.py"} if path == "/jobs" else None)
        assert (answer.status_code, answer.json()["error"]["hint"]) == (503, "pip install 'openbdc-cluster[spark]'")
    assert not asked(service) and len(service.call("GET", SPARK + "/jobs", token).json()) == 1


def test_start_asks_and_stop_dismisses(service: Service) -> None:
    token, before = service.token(ADMIN), service.view.changes
    service.call("POST", SPARK + "/start", token)
    assert asked(service) == {"spark-connect-0"} and service.view.changes == before + 1
    service.call("POST", SPARK + "/stop", token)
    assert not asked(service)


def test_each_admin_has_a_server_of_his_own_where_there_are_several(service: Service) -> None:
    service.view.spark_servers = 2
    for name in ("bea", "cem"):
        service.services.users.add(name, PASSWORD, ("admin",))
    first, bea, cem = (service.token(name) for name in (ADMIN, "bea", "cem"))
    start = {"name": "spark-connect-1", "endpoint": "spark-bea", "user": "bea"}
    assert service.call("POST", SPARK + "/stop", bea).json()["error"]["code"] == "not_found"
    assert service.call("POST", SPARK + "/start", bea).json() == start == service.call("POST", SPARK + "/start", bea).json()
    assert service.call("POST", SPARK + "/start", first).json()["name"] == "spark-connect-0"
    refused = service.call("POST", SPARK + "/start", cem).json()["error"]
    assert f"all 2 Spark Connect servers are in use, by {ADMIN}, bea" in refused["message"]
    assert len({service.call("GET", SPARK + "/token", token).json()["token"] for token in (first, bea, cem)}) == 3
    service.call("POST", SPARK + "/stop", bea)
    assert asked(service) == {"spark-connect-0"}
    assert service.call("POST", SPARK + "/start", cem).json() == {"name": "spark-connect-1", "endpoint": "spark-cem", "user": "cem"}
    service.services.users.revoke("cem", "admin")
    assert service.services.spark is not None and service.services.spark.places.users() == (ADMIN, None)


@pytest.mark.parametrize(
    "body",
    [
        {"file": "/etc/passwd"},
        {"file": "file:///etc/passwd"},
        {"file": "hdfs:///a.py,hdfs:///b.py"},
        {"file": "hdfs:///a.py", "jars": ["/opt/x.jar"]},
        {"file": "hdfs:///a.py", "conf": {"spark.master": "local[64]"}},
        {"file": "hdfs:///a.py", "conf": {"spark.a": "x\nspark.master y"}},
        {"file": "hdfs:///a.py", "conf": {"java.home": "x"}},
        {"file": "hdfs:///a.py", "arguments": ["a\0b"]},
        {"file": "hdfs:///a.py", "user": "somebody"},
    ],
)
def test_a_job_that_can_not_be_is_refused(service: Service, body: dict[str, Any]) -> None:
    assert service.call("POST", SPARK + "/jobs", service.token(ADMIN), json=body).status_code in (400, 422)


def test_a_job_is_its_submitters_and_can_be_killed(service: Service) -> None:
    token = service.token(ADMIN)
    made = service.call("POST", SPARK + "/jobs", token, json={"file": "hdfs:///a.py", "arguments": ["--x"]}).json()
    assert (made["user"], made["state"], made["arguments"]) == (ADMIN, "waiting", ["--x"])
    assert service.call("DELETE", f"{SPARK}/jobs/{made['id']}", token).json()["state"] == "killed"
    assert service.call("GET", f"{SPARK}/jobs/99", token).json()["error"]["code"] == "not_found"
