"""The API server goes away under a whole cluster: pools go on answering, the controller says since when, afterwards all is as it was, and
no pod was restarted."""

from __future__ import annotations

import json
import time
import urllib.request

import pytest

from tests.kubernetes import lake
from tests.patience import eventually
from tests.services.kubernetes.product import Product

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(1500)]
PORT = 30080
Row = tuple[object, ...]


class Rest:
    """The controller's REST API, reached without Kubernetes' own."""

    def __init__(self, place: Product) -> None:
        self._root = f"http://127.0.0.1:{place.node.reach_service(place.name, 'openbdc', PORT)}"
        login = {"username": "admin", "password": place.password}
        self._token = self._ask("/api/v1/token", login)["access_token"]

    def get(self, path: str) -> object:
        """Parsed."""
        return self._ask(path)

    def details(self) -> str:
        """What `bdc status` would say."""
        found = self._ask("/api/v1/bdc")
        return f"{found['state']}: {found['details']}"

    def _ask(self, path: str, body: object = None) -> dict[str, str]:
        headers = {"Content-Type": "application/json"} | ({} if body is not None else {"Authorization": f"Bearer {self._token}"})
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(self._root + path, data, headers), timeout=30) as answer:
            found: dict[str, str] = json.load(answer)
            return found


def starts(place: Product) -> set[tuple[str, str, int]]:
    """Each container of each pod, the controller's too, and how often it was started."""
    return {
        (pod["metadata"]["uid"], one["name"], one["restartCount"])
        for pod in place.get("pods")["items"]
        for one in pod["status"].get("containerStatuses", []) + pod["status"].get("initContainerStatuses", [])
    }


def marked_ready(place: Product) -> bool:
    """While the API server is away nobody hears of the nodes: afterwards they and their pods are taken for lost, for a moment."""
    marked = [*place.node.get("nodes")["items"], *(pod for pod in place.get("pods")["items"] if pod["status"]["phase"] == "Running")]
    return all(one["status"] == "True" for item in marked for one in item["status"]["conditions"] if one["type"] == "Ready")


def says_ready(rest: Rest) -> bool:
    """Pods that were taken for lost are found by their Services again some seconds after they are marked as ready."""
    try:
        return rest.details().startswith("ready: ")
    except OSError:
        return False


def test_the_doctor_finds_nothing_in_a_cluster_that_is_well(place: Product) -> None:
    place.wait_ready()
    found = Rest(place).get("/api/v1/bdc/doctor")
    assert isinstance(found, list)
    said = {one["check"]: one for one in found}
    asked = {"versions", "rights", "nodes", "storage class", "claims", "quotas", "images", "probes", "dns", "clock"}
    assert asked <= said.keys()
    assert [one for one in found if one["check"] in asked - {"probes"} and one["state"] not in ("ok", "warning")] == []
    assert "openbdc.lake.svc is " in said["dns"]["message"]
    assert "1 of 1 nodes take pods" in said["nodes"]["message"] or said["nodes"]["state"] == "warning"
    assert said["rights"]["state"] == said["images"]["state"] == said["clock"]["state"] == said["claims"]["state"] == "ok"


@pytest.mark.parametrize("seconds", [30, pytest.param(300, marks=pytest.mark.full)])
def test_the_api_server_is_away(place: Product, expected: list[Row], seconds: int) -> None:
    place.wait_ready()
    rest, before = Rest(place), starts(place)
    assert lake.answer(place) == expected
    asked = 0
    with place.node.without("apiserver"):
        until = time.monotonic() + seconds
        eventually(lambda: "the API server does not answer" in rest.details(), "the REST API says so", 180)
        said = rest.details()
        assert said.startswith("error: ")
        assert "since 20" in said and "kubectl get --raw /readyz" in said and "the pools go on as they are" in said
        while time.monotonic() < until or not asked:
            assert lake.answer(place) == expected
            asked += 1
            time.sleep(1)
        assert said.split(" (next")[0] == rest.details().split(" (next")[0]  # since when stays what it is
    place.until(lambda: marked_ready(place), "nodes and pods are marked as ready again")
    place.wait_ready()
    eventually(lambda: says_ready(rest), "the REST API says that it is over", 180)
    place.until(lambda: lake.answers(place, expected), "the query is right", 180)
    assert starts(place) == before
