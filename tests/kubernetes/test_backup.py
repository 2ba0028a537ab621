"""A cluster in pods into a file and out of it again, in another namespace: rows, files, sources, users, rights, apps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.apps.test_environments import wheel
from tests.kubernetes import lake
from tests.patience import eventually
from tests.services.kubernetes.product import Product

pytestmark = [pytest.mark.kubernetes, pytest.mark.full, pytest.mark.timeout(1500)]
ANN = {"user": "ann", "password": "ann's pass phrase"}
SECONDS = 900.0
APP = """
name: mine
version: v1
runtime: Python
src: ./app.py
entrypoint: handler
replicas: 1
poolsize: 1
inputs: {}
output: {version: str}
"""
CODE = """
import mine

def handler():
    return {"version": mine.VERSION}
"""


@pytest.fixture(scope="module")
def file(place: Product, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A backup of ``place``, in which a user may read one table, and an app has an environment of its own."""
    folder = tmp_path_factory.mktemp("app")
    (folder / "spec.yaml").write_text(APP)
    (folder / "app.py").write_text(CODE)
    (folder / "requirements.txt").write_text("mine>=1\n")
    wheel(folder / "wheels", "mine")
    place.bdc("app", "create", "-s", str(folder), seconds=300)
    place.bdc("user", "add", "ann", "--password-stdin", secret=f"{ANN['password']}\n", output=None)
    with place.sql() as master:
        master.execute("GRANT USAGE ON SCHEMA lake TO ann")
        master.execute("GRANT SELECT ON lake.rates TO ann")
    path = place.node.folder / "monday.tar.gz"
    place.bdc("backup", str(path), "--name", place.name, "--yes", output=None, seconds=SECONDS)
    yield path
    place.bdc("app", "delete", "-n", "mine", "-v", "v1", "--yes", output=None)
    place.bdc("user", "remove", "ann", "--yes", output=None)


def services(place: Product) -> dict[str, str]:
    return {item["metadata"]["name"]: item["spec"]["clusterIP"] for item in place.get("services")["items"]}


def check(place: Product, expected: list[tuple[object, ...]]) -> None:
    assert lake.answer(place) == expected
    with place.sql(**ANN) as ann:
        assert ann.execute("SELECT count(*) FROM lake.rates").fetchone() == (3,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            ann.execute("SELECT * FROM lake.points")
    eventually(lambda: app_answers(place), "the app answers")


def app_answers(place: Product) -> bool:
    """Its environment, whose links no backup holds, is made anew from the package's wheels."""
    try:
        answer = place.bdc("app", "run", "-n", "mine", "-v", "v1")
    except RuntimeError:
        return False
    return bool(answer["outputParameters"] == {"version": "1.0"})


def test_it_runs_again_and_nothing_is_left_behind(place: Product, expected: list[tuple[object, ...]], file: Path) -> None:
    assert file.stat().st_mode & 0o777 == 0o600
    assert place.ready() and not place.pods("openbdc.dev/copies")
    check(place, expected)


def test_it_comes_back_in_another_namespace(place: Product, expected: list[tuple[object, ...]], file: Path) -> None:
    copy = Product(place.node, "copy", place.password)
    there = ("--kubernetes", "--namespace", copy.name)
    try:
        place.bdc("restore", str(file), "--name", copy.name, *there, output=None, seconds=SECONDS)
        copy.login()
        check(copy, expected)
        with pytest.raises(RuntimeError) as again:
            place.bdc("restore", str(file), "--name", copy.name, *there, output=None)
        assert "already" in str(again.value) or "is not empty" in str(again.value)
        assert copy.ready()
    finally:
        place.bdc("delete", copy.name, *there, "--volumes", "--yes", output=None, seconds=SECONDS)
        place.node.kubectl("delete", "namespace", copy.name, "--timeout=240s", seconds=260)


def test_stopped_nothing_runs_and_addresses_stay(place: Product, expected: list[tuple[object, ...]]) -> None:
    before = services(place)
    place.bdc("stop", place.name, output=None, seconds=SECONDS)
    assert not place.pods("openbdc.dev/workload") and place.status()["state"] == "stopped"
    place.bdc("start", place.name, output=None, seconds=SECONDS)
    assert services(place) == before
    assert lake.answer(place) == expected


def test_an_admin_gets_a_new_password(place: Product) -> None:
    place.bdc("user", "recover-admin", place.name, "--username", "second", "--password-stdin", secret="Another-pass-1\n", output=None)
    place.until(lambda: "second" in {user["name"] for user in place.bdc("user", "list")}, "the new admin is there")
    place.bdc("user", "remove", "second", "--yes", output=None)
