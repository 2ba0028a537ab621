"""Apps of a cluster in pods: a Deployment for each version behind one proxy; created and called from outside, kept over the loss of any of
these pods, answered while the controller is away."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from tests.patience import PATIENCE, eventually
from tests.services.kubernetes.product import Json, Product

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(900)]
PROXY, PORT = "app-proxy", 30778
CONTROLLER = "deployment/openbdc"
SPEC = """
name: where
version: v1
runtime: Python
src: ./app.py
entrypoint: handler
replicas: 2
poolsize: 1
resources: {memory: 256M}
inputs: {x: int}
output: {y: int, user: int, written: str, seen: str, pod: str, shown: list}
"""
CODE = """
import os

def handler(x):
    try:
        open(__file__, "a")
        written = "written"
    except OSError as error:
        written = type(error).__name__
    seen = "host" if any(name.isdecimal() and readable(name) for name in os.listdir("/proc")) else "nothing"
    places = [place for place in ("/etc/openbdc/secrets", "/var/run/secrets") if os.path.isdir(place)]
    shown = [name for place in places for name in os.listdir(place) if name[0] != "."]
    return {"y": x + 1, "user": os.getuid(), "written": written, "seen": seen, "pod": os.uname().nodename, "shown": shown}

def readable(pid):
    try:
        with open(f"/proc/{pid}/environ", "rb") as file, open(f"/proc/{pid}/cmdline", "rb") as line:
            return b"pools.app.host" in line.read() and bool(file.read())
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


def versions(place: Product, name: str = "app-where") -> list[Json]:
    """Pods of the app that are to go on, by name."""
    found = [pod for pod in place.pods("openbdc.dev/role=app-version") if "deletionTimestamp" not in pod["metadata"]]
    ours = [pod for pod in found if pod["metadata"]["name"].startswith(name)]
    return sorted(ours, key=lambda pod: str(pod["metadata"]["name"]))


def replaced(place: Product, gone: Json) -> set[str]:
    """Names of both pods of the app, once there is another one in the place of ``gone``."""

    def names() -> set[str]:
        return {pod["metadata"]["name"] for pod in versions(place)} - {gone["metadata"]["name"]}

    place.until(lambda: len(names()) == 2, "there is another pod in its place")
    place.wait_ready()
    return names()


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
    answer = run(place, 41)
    names = {pod["metadata"]["name"] for pod in versions(place)}
    assert answer.pop("pod") in names and len(names) == 2
    assert answer == {"y": 42, "user": 10001, "written": "PermissionError", "seen": "nothing", "shown": ["token"]}
    described = place.bdc("app", "describe", "-n", app, "-v", "v1")
    assert described["links"]["app"] == f"http://{PROXY}.{place.name}.svc:{PORT}/api/app/where/v1/run"


def test_sql_calls_it_for_the_rows_of_a_query(place: Product, app: str) -> None:
    with place.sql() as master:
        query = "SELECT DISTINCT id AS x FROM lake.houses WHERE id <= 3"
        rows = master.execute(f"SELECT row FROM bdc.score('{app}', $${query}$$) AS row").fetchall()
    answers = [cast("dict[str, int]", row) for (row,) in rows]
    assert sorted((row["x"], row["y"]) for row in answers) == [(1, 2), (2, 3), (3, 4)]


def test_the_pod_of_a_version_is_killed_and_the_others_answer(place: Product, app: str) -> None:
    eventually(lambda: len({run(place, 1)["pod"] for _ in range(4)}) == 2, "both pods answer")
    gone, stays = versions(place)
    place.kubectl("delete", "pod", gone["metadata"]["name"], "--grace-period=0", "--force")
    eventually(lambda: answers(place), "the app answers")
    assert run(place, 1)["pod"] != gone["metadata"]["name"]
    names = replaced(place, gone)
    assert stays["metadata"]["name"] in names
    eventually(lambda: {run(place, 1)["pod"] for _ in range(4)} == names, "the pod in its place answers too")


def test_the_proxy_is_killed_and_the_pods_of_versions_stay(place: Product, app: str) -> None:
    before = {pod["metadata"]["uid"] for pod in versions(place)}
    (pod,) = place.pods(f"openbdc.dev/workload={PROXY}")
    place.kubectl("delete", "pod", pod["metadata"]["name"], "--grace-period=0", "--force")
    gone = pod["metadata"]["uid"]
    place.until(lambda: gone not in {one["metadata"]["uid"] for one in place.pods()}, "the pod is gone")
    place.wait_ready()
    eventually(lambda: answers(place), "the app answers again", 2 * PATIENCE)
    assert {one["metadata"]["uid"] for one in versions(place)} == before
    place.until(lambda: place.ready(), "the cluster is ready")


def test_an_update_brings_other_pods_and_those_of_before_go(place: Product, app: str, tmp_path: Path) -> None:
    before = {pod["metadata"]["uid"] for pod in versions(place)}
    (tmp_path / "spec.yaml").write_text(SPEC)
    (tmp_path / "app.py").write_text(CODE.replace('"y": x + 1', '"y": x + 2'))
    assert place.bdc("app", "update", "-s", str(tmp_path), "--yes", seconds=300)["state"] == "Ready"
    assert run(place, 1)["y"] == 3
    place.until(lambda: not before & {pod["metadata"]["uid"] for pod in versions(place)}, "the pods of before are gone", 120)
    (tmp_path / "app.py").write_text(CODE)
    place.bdc("app", "update", "-s", str(tmp_path), "--yes", output=None, seconds=300)


def test_what_can_not_be_started_is_an_error_and_leaves_no_pod(place: Product, tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(SPEC.replace("name: where", "name: broken"))
    (tmp_path / "app.py").write_text("import nothing_of_that_name\n")
    with pytest.raises(RuntimeError, match="No module named 'nothing_of_that_name'"):
        place.bdc("app", "create", "-s", str(tmp_path), seconds=300)
    place.until(lambda: not [pod for pod in versions(place, "app-broken")], "its pods are gone", 120)
    place.bdc("app", "delete", "-n", "broken", "-v", "v1", "--yes", output=None)
    place.wait_ready()


def test_a_query_is_an_app_too(place: Product, tmp_path: Path) -> None:
    place.bdc("app", "init", "-t", "sql", "-n", "asks", "-d", str(tmp_path / "asks"))
    (tmp_path / "asks" / "query.sql").write_text("SELECT %(least)s::int + 1 AS id, session_user::text AS who")
    password = "the query's own\n"
    place.bdc("user", "add", "asks-sql", "--password-stdin", output=None, secret=password)
    place.bdc("app", "secret", "set", "asks", "PGPASSWORD", "--value-stdin", output=None, secret=password)
    try:
        assert place.bdc("app", "create", str(tmp_path / "asks"), seconds=300)["state"] == "Ready"
        answer = place.bdc("app", "run", "asks", "-i", "least=41")
        assert answer["outputParameters"] == {"rows": [{"id": 42, "who": "asks-sql"}]}
    finally:
        place.bdc("app", "delete", "asks@v1", "--yes", "--live", output=None)
        place.bdc("user", "remove", "asks-sql", "--yes", output=None)
    place.wait_ready()


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
