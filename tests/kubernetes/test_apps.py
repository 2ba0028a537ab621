"""Apps of a cluster in pods: created and called from outside, kept over the loss of their pod, answered while the controller is away."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from tests.patience import eventually
from tests.services.kubernetes.product import Product

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(900)]
PROXY, PORT = "app-proxy", 30778
CONTROLLER = "deployment/openbdc"
SPEC = """
name: where
version: v1
runtime: Python
src: ./app.py
entrypoint: handler
replicas: 1
poolsize: 2
inputs: {x: int}
output: {y: int, user: int, written: str, seen: str}
"""
CODE = """
import os

def handler(x):
    try:
        open(__file__, "a")
        written = "written"
    except OSError as error:
        written = type(error).__name__
    seen = "proxy" if any(name.isdecimal() and readable(name) for name in os.listdir("/proc")) else "nothing"
    return {"y": x + 1, "user": os.getuid(), "written": written, "seen": seen}

def readable(pid):
    try:
        with open(f"/proc/{pid}/environ", "rb") as file, open(f"/proc/{pid}/cmdline", "rb") as line:
            return b"pools.app.service" in line.read() and bool(file.read())
    except OSError:
        return False
"""


@pytest.fixture(scope="module")
def app(place: Product, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("where")
    (folder / "spec.yaml").write_text(SPEC)
    (folder / "app.py").write_text(CODE)
    assert place.bdc("app", "create", "-s", str(folder), seconds=300)["state"] == "Ready"
    yield "where"
    place.bdc("app", "delete", "-n", "where", "-v", "v1", "--yes", output=None)


def run(place: Product, x: int) -> dict[str, object]:
    found: dict[str, object] = place.bdc("app", "run", "-n", "where", "-v", "v1", "--inputs", f"x={x}")["outputParameters"]
    return found


def answers(place: Product) -> bool:
    """The Service learns of the new pod some seconds after it is ready."""
    try:
        return run(place, 1)["y"] == 2
    except RuntimeError:
        return False


def asked(url: str, body: object, token: str | None = None) -> dict[str, object]:
    headers = {"Content-Type": "application/json"} | ({} if token is None else {"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers), timeout=60) as answer:
        found: dict[str, object] = json.load(answer)
        return found


def app_token(place: Product) -> str:
    controller = place.node.reach_service(place.name, "openbdc", 30080)
    login = {"username": "admin", "password": place.password, "audience": "app"}
    return str(asked(f"http://127.0.0.1:{controller}/api/v1/token", login)["access_token"])


def called(port: int, token: str, x: int) -> object:
    return asked(f"http://127.0.0.1:{port}/api/app/where/v1/run", {"x": x}, token)["outputParameters"]


def test_it_is_created_and_called_from_outside(place: Product, app: str) -> None:
    assert run(place, 41) == {"y": 42, "user": 10001, "written": "PermissionError", "seen": "nothing"}
    described = place.bdc("app", "describe", "-n", app, "-v", "v1")
    assert described["links"]["app"] == f"http://{PROXY}.{place.name}.svc:{PORT}/api/app/where/v1/run"


def test_sql_calls_it_for_the_rows_of_a_query(place: Product, app: str) -> None:
    with place.sql() as master:
        query = "SELECT DISTINCT id AS x FROM lake.houses WHERE id <= 3"
        rows = master.execute(f"SELECT row FROM bdc.score('{app}', $${query}$$) AS row").fetchall()
    answers = [cast("dict[str, int]", row) for (row,) in rows]
    assert sorted((row["x"], row["y"]) for row in answers) == [(1, 2), (2, 3), (3, 4)]


def test_its_pod_is_killed_and_the_app_comes_back(place: Product, app: str) -> None:
    (pod,) = place.pods(f"openbdc.dev/workload={PROXY}")
    place.kubectl("delete", "pod", pod["metadata"]["name"], "--grace-period=0", "--force")
    gone = pod["metadata"]["uid"]
    place.until(lambda: gone not in {one["metadata"]["uid"] for one in place.pods()}, "the pod is gone")
    place.wait_ready()
    eventually(lambda: answers(place), "the app answers again")
    assert run(place, 1)["y"] == 2


def test_calls_are_answered_while_the_controller_is_away(place: Product, app: str) -> None:
    token, port = app_token(place), place.node.reach_service(place.name, PROXY, PORT)
    try:
        place.kubectl("scale", CONTROLLER, "--replicas=0")
        place.until(lambda: not place.get("pods", "-l", "app.kubernetes.io/name=openbdc")["items"], "the controller is away")
        assert cast("dict[str, object]", called(port, token, 5))["y"] == 6
    finally:
        place.kubectl("scale", CONTROLLER, "--replicas=1")
        place.kubectl("rollout", "status", CONTROLLER, "--timeout=240s", seconds=250)
    place.wait_ready()
    with pytest.raises(urllib.error.HTTPError, match="401"):
        called(port, token + "x", 5)
