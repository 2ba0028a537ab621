"""The whole product on a real node: from one resource to answers, pods that die, shards that are added, deletion that keeps the rows.

One cluster for all of it (``conftest.py``); each test holds alone, too.
"""

from __future__ import annotations

import pytest

from tests.kubernetes import lake
from tests.services.kubernetes.product import Product
from tests.services.postgresql import PostgresqlServer

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(1500)]
HEAL_SECONDS = 180.0
"""Generous: the machine is shared; ``python -m benchmarks k8s-heal`` holds the figure."""


def test_the_resource_says_that_it_is_ready(place: Product) -> None:
    assert place.condition("Ready")["status"] == "True"
    shown = place.kubectl("get", "bigdatacluster", place.name, "--no-headers").split()
    assert shown[:3] == [place.name, "ready", "healthy"]


def test_one_select_joins_file_outside_database_data_pool_and_local_table(place: Product, outside: PostgresqlServer) -> None:
    rows = lake.answer(place)
    with outside.connect("lake") as session:
        turnover = dict(session.execute("SELECT id, sum(price) FROM sales WHERE sold_on >= '2024-01-01' GROUP BY id").fetchall())
    points = {1: lake.LOADED // 3, 2: lake.LOADED // 3 + 1, 3: lake.LOADED // 3 + 1}
    assert [(row[0], row[1], row[2], row[3]) for row in rows] == [
        ("Ring Road", 100, turnover[3], points[3]), ("Station", 100, turnover[2], points[2]), ("Harbour", 100, turnover[1], points[1]),
    ]  # fmt: skip


def test_nobody_runs_as_root_and_nothing_may_be_written_but_volumes(place: Product) -> None:
    for pod in place.pods():
        containers = pod["spec"]["containers"] + pod["spec"].get("initContainers", [])
        settings = [{**pod["spec"].get("securityContext", {}), **container.get("securityContext", {})} for container in containers]
        assert all(one["runAsNonRoot"] and one["readOnlyRootFilesystem"] and not one["allowPrivilegeEscalation"] for one in settings)
        assert all(one["capabilities"]["drop"] == ["ALL"] and one["seccompProfile"]["type"] == "RuntimeDefault" for one in settings)


@pytest.mark.parametrize("workload", ["data-0", "compute-0", "master-0", "storage-0-0", "nmnode-0", "app-proxy"])
def test_a_killed_pod_comes_back_and_the_query_is_right(place: Product, expected: list[tuple[object, ...]], workload: str) -> None:
    victims = [pod["metadata"] for pod in place.pods(f"openbdc.dev/workload={workload}")]
    assert len(victims) == 1
    place.kubectl("delete", "pod", victims[0]["name"], "--grace-period=0", "--force")
    gone = victims[0]["uid"]
    place.until(lambda: gone not in {pod["metadata"]["uid"] for pod in place.pods()}, f"{workload} is gone", HEAL_SECONDS)
    place.until(lambda: place.ready() and lake.answers(place, expected), f"{workload} is back and the query right", HEAL_SECONDS)


def test_a_deleted_object_is_made_again(place: Product, expected: list[tuple[object, ...]]) -> None:
    def services() -> set[str]:
        return {item["metadata"]["name"] for item in place.get("services")["items"]}

    place.kubectl("delete", "service", "compute-0")
    place.until(lambda: "compute-0" in services(), "the Service is back", HEAL_SECONDS)
    place.until(lambda: lake.answers(place, expected), "compute is reached by its new address", HEAL_SECONDS)  # some seconds later


def test_the_data_pool_grows_and_keeps_its_rows(place: Product, expected: list[tuple[object, ...]]) -> None:
    before = lake.points(place)
    place.bdc("scale", "data", "3", "--yes", output=None, seconds=600)
    place.wait_ready()
    assert place.get("bigdatacluster", place.name)["spec"]["pools"]["data"]["shards"] == 3
    # a pod that is ready is found by way of its Service a second later
    place.until(lambda: lake.answers(place, expected), "the compute pool is reached again", HEAL_SECONDS)
    assert lake.points(place) == before
    assert lake.answer(place) == expected


def test_what_was_deleted_comes_back_with_its_rows(place: Product, expected: list[tuple[object, ...]]) -> None:
    spec = place.get("bigdatacluster", place.name)["spec"]
    place.kubectl("delete", "bigdatacluster", place.name, "--timeout=240s", seconds=260)
    place.until(lambda: not place.pods(), "its pods are gone", HEAL_SECONDS)
    kept = {item["metadata"]["name"] for item in place.get("pvc")["items"]}
    assert len(kept) == spec["pools"]["data"]["shards"] + 4, kept  # master, NameNode, DataNode, apps
    place.apply(spec)
    place.wait_ready()
    place.until(lambda: lake.answers(place, expected), "the query is right again", HEAL_SECONDS)
    assert {item["metadata"]["name"] for item in place.get("pvc")["items"]} == kept
