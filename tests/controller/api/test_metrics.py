"""The routes for Prometheus: who may ask, with what, and what the requests themselves leave in the metrics."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.controller.api.service import ADMIN, PASSWORD, USER, Service, served

Told = dict[tuple[str, tuple[str, ...]], float]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with served(pathlib.Path(tmp_path_factory.mktemp("api"))) as found:
        yield found


def told(service: Service, path: str = "/metrics") -> Told:
    answer = service.client.get(path, auth=(USER, PASSWORD))
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = text_string_to_metric_families(answer.text)
    return {(sample.name, tuple(sample.labels.values())): sample.value for family in families for sample in family.samples}


def test_requests_by_route(service: Service) -> None:
    before = told(service)
    for path in ("/healthz", "/no/such/path", "/api/v1/users/alice", "/api/v1/users/bob"):
        service.client.get(path)
    after = told(service)
    for labels in (("GET", "/healthz", "200"), ("GET", "other", "404")):
        assert (
            after["openbdc_controller_request_seconds_count", labels] - before.get(("openbdc_controller_request_seconds_count", labels), 0)
            == 1
        )
    assert after["openbdc_controller_request_seconds_count", ("GET", "/api/v1/users/{name}", "401")] == 2


def test_a_password_is_looked_at_once_in_a_while(service: Service) -> None:
    first = told(service)["openbdc_controller_logins_total", ("right",)]
    assert told(service)["openbdc_controller_logins_total", ("right",)] == first


def test_a_new_password_counts_at_once(service: Service) -> None:
    assert service.client.get("/metrics", auth=(ADMIN, PASSWORD)).status_code == 200
    service.services.users.set_password(ADMIN, "another good one")
    try:
        assert service.client.get("/metrics", auth=(ADMIN, PASSWORD)).status_code == 401
        assert told(service)["openbdc_controller_logins_total", ("wrong",)] == 1
    finally:
        service.services.users.set_password(ADMIN, PASSWORD)
        service.services.throttle.succeeded(ADMIN)


@pytest.mark.parametrize("header", ["Basic", "Basic !!!", "Basic YWxpY2U=", "Basic " + "x" * 9000, "Digest a=b"])
def test_what_is_no_password_is_refused(service: Service, header: str) -> None:
    assert service.client.get("/metrics", headers={"Authorization": header}).status_code in (401, 431)


def test_other_routes_take_no_passwords(service: Service) -> None:
    assert service.client.get("/api/v1/bdc", auth=(USER, PASSWORD)).status_code == 401


def test_the_cluster_s_metrics_name_who_is_down(service: Service) -> None:
    found = told(service, "/api/v1/bdc/metrics")
    assert found["openbdc_up", ("master", "master-0")] == 0 or found["openbdc_up", ("master-0", "master")] == 0
    assert found["openbdc_cluster_ready", ()] == 0
    assert found["openbdc_workload_state", ("sql", "ready", "master-0")] == 1
