"""Gathering: texts become one, whoever hangs or is gone is down and holds up nobody; the master's own numbers."""

from __future__ import annotations

import dataclasses
import pathlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from controller import service_http
from controller.errors import NotReadyError
from controller.metrics import JOB_STATES, Meters
from controller.metrics_cluster import ClusterMetrics, Ways
from controller.metrics_master import reading
from controller.metrics_merge import Families
from controller.metrics_scrape import Target, gather
from controller.reconcile import Outcome
from controller.service_http import over_socket, over_tcp
from controller.status import ClusterStatus, InstanceStatus, ResourceStatus, ServiceStatus
from pools.exposition import Book, Metric, text
from pools.metrics_listener import Listener
from pools.workload import Scrape
from tests.controller.substrate import workload
from tests.services.postgresql import PostgresqlServer

SEEN = Metric("openbdc_test_seen_total", "counter", "Things.", ("kind",))
TIME = Metric("openbdc_test_seconds", "histogram", "A time.", ("kind",))


def said(*kinds: str) -> str:
    book = Book()
    for kind in kinds:
        book.add(SEEN, kind)
        book.observe(TIME, 0.5, kind)
    return text((SEEN, TIME), book).decode()


def samples(told: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(told)
        for sample in family.samples
    }


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4), st.text(min_size=1))
def test_each_service_s_samples_arrive_with_its_name(one: list[str], other: list[str], name: str) -> None:
    families = Families()
    wanted: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    for workload_name, kinds in ((name, one), (name + "2", other)):
        families.add(said(*kinds), {"workload": workload_name})
        wanted |= {(key, labels | {("workload", workload_name)}): value for (key, labels), value in samples(said(*kinds)).items()}
    assert samples(families.text()) == wanted
    assert families.text().count("# TYPE openbdc_test_seconds histogram") == 1


def test_foreign_forms_of_the_format() -> None:
    families = Families()
    families.add('# a word\n\n# TYPE a gauge\na{x="1",} 2 1700000000000\nno sample\nb  3\na{workload="its own"} 4\n', {"workload": "w"})
    assert families.text() == '# TYPE a gauge\na{workload="w",x="1"} 2 1700000000000\na{workload="its own"} 4\nb{workload="w"} 3\n'


@pytest.fixture
def hung() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_who_hangs_or_is_gone_is_down_and_the_rest_is_told(hung: int, tmp_path: pathlib.Path) -> None:
    listener = Listener(str(tmp_path), lambda: said("a").encode(), print)
    late = threading.Event()
    targets = [
        Target("good", "data", over_socket(str(tmp_path))),
        Target("hangs", "data", over_tcp("127.0.0.1", hung, "/metrics")),
        Target("gone", "data", over_socket("/no/such")),
        Target("stuck", "data", lambda seconds: str(late.wait(30))),
    ]
    families, began = Families(), time.monotonic()
    try:
        gather(targets, families, 0.5)
    finally:
        late.set()
        listener.close()
    assert time.monotonic() - began < 10
    told = samples(families.text())
    up = {dict(labels)["workload"]: value for (name, labels), value in told.items() if name == "openbdc_up"}
    assert up == {"good": 1, "hangs": 0, "gone": 0, "stuck": 0}
    assert told["openbdc_test_seen_total", frozenset({("kind", "a"), ("workload", "good")})] == 1


def test_who_took_a_service_s_name_is_not_believed(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listener = Listener(str(tmp_path), lambda: b"openbdc_test_seen_total 1\n", print)
    try:
        assert over_socket(str(tmp_path))(5.0) == "openbdc_test_seen_total 1\n"
        monkeypatch.setattr(service_http, "peer_user", lambda connection: 54321)
        with pytest.raises(ValueError, match="another user"):
            over_socket(str(tmp_path))(5.0)
    finally:
        listener.close()


def whole(tmp_path: pathlib.Path, status: ClusterStatus | None, acting: bool = True) -> str:
    def known() -> ClusterStatus:
        if status is None:
            raise NotReadyError("the controller has just started")
        return status

    data = dataclasses.replace(workload("data-0"), metrics=Scrape())
    meters = Meters()
    meters.passed(0.1, Outcome("failed", 1, "users: no", failed_steps=("users",)))
    ways = Ways(lambda name: "127.0.0.1", lambda: "", lambda one: str(tmp_path / one.name))
    return ClusterMetrics(meters, ways, known, lambda: (data, workload("other")), list, lambda: acting).whole().decode()


def resting(state: Any) -> ClusterStatus:
    instance: InstanceStatus = {"name": "data-0", "state": state, "health": "healthy", "details": "", "restarts": 3}
    resource: ResourceStatus = {"name": "data-0", "state": state, "health": "healthy", "details": "", "instances": [instance]}
    service: ServiceStatus = {"name": "sql", "state": state, "health": "healthy", "details": "", "resources": [resource]}
    return {"name": "demo", "state": "ready", "health": "healthy", "details": "", "services": [service]}


def test_who_is_asked(tmp_path: pathlib.Path) -> None:
    assert 'openbdc_up{pool="' in whole(tmp_path, resting("ready"))
    assert "openbdc_up{" not in whole(tmp_path, resting("stopped"))  # nobody wants it to run
    assert "openbdc_up{" not in whole(tmp_path, None)  # before the first pass
    assert "openbdc_up{" not in whole(tmp_path, resting("ready"), acting=False)  # another controller speaks for the cluster


def test_what_the_controller_tells_of_itself(tmp_path: pathlib.Path) -> None:
    told = whole(tmp_path, resting("ready"))
    assert 'openbdc_controller_pass_failures_total{step="users"} 1.0' in told
    assert 'openbdc_workload_restarts_total{service="sql",workload="data-0"} 3.0' in told and "openbdc_cluster_ready 1.0" in told
    assert all(f'openbdc_spark_jobs{{state="{state}"}} 0.0' in told for state in JOB_STATES)


def test_the_master(postgresql: PostgresqlServer) -> None:
    with postgresql.connect() as connection:
        connection.execute("BEGIN")
        told = samples(reading(postgresql.dsn)(10.0))
    assert told["openbdc_master_sessions", frozenset({("database", "postgres"), ("state", "idle in transaction")})] >= 1
    assert told["openbdc_master_sessions_limit", frozenset()] > 0
    assert told["openbdc_master_database_bytes", frozenset({("database", "postgres")})] > 1_000_000
    assert told["openbdc_master_transactions_total", frozenset({("database", "postgres"), ("outcome", "committed")})] >= 0


def test_a_master_that_is_away_says_no_password() -> None:
    with pytest.raises(ValueError) as caught:
        reading(lambda: "host=127.0.0.1 port=1 password=very-secret")(0.5)
    assert "very-secret" not in str(caught.value)
