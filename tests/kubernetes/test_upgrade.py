"""`bdc upgrade` on a real node: to a second version, pod after pod, with the rows that were there; and to one of which a pool does not come
up, which takes itself back. A version here is a tag of the same images, but for the one that is broken."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import psycopg
import pytest

from tests.kubernetes import lake
from tests.services.kubernetes import Node, broken
from tests.services.kubernetes.product import SMALL, Product, Row, product

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(1200)]
SPEC = {**SMALL, "pools": {**SMALL["pools"], "storage": {"enabled": False}}}
OLD, NEW, BROKEN = "0.1.0", "0.1.1", "0.1.2"
OWN = ("controller", "compute", "data", "app")
WORDS = "this version is broken"
SECONDS = 600.0
"""Of an upgrade, generous: the machine is shared."""


@pytest.fixture(scope="module")
def place(kubernetes_node: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with product(kubernetes_node, "newer") as made:
        lay_versions(kubernetes_node, tmp_path_factory.mktemp("images"))
        made.install()
        made.apply(SPEC)
        made.wait_ready()
        made.login()
        with made.sql() as master:
            master.execute("CREATE SCHEMA lake")
            lake.load_points(master)
        yield made


def lay_versions(node: Node, folder: Path) -> None:
    """The version of before under two more tags; of the last one the data pool's image ends at once."""
    for name in OWN:
        for tag in (NEW, BROKEN):
            node.tag_image(f"docker.io/openbdc/{name}:{OLD}", f"docker.io/openbdc/{name}:{tag}")
    broken.write(folder / "broken.tar", f"docker.io/openbdc/data:{BROKEN}", "/opt/openbdc/bin/python", WORDS)
    node.load_images(folder / "broken.tar")


def tags(place: Product) -> dict[str, set[str]]:
    """Of our own images that run and are to go on running: pod group, or controller → tags."""
    found: dict[str, set[str]] = {}
    for pod in place.get("pods")["items"]:
        if "deletionTimestamp" in pod["metadata"]:
            continue
        name = pod["metadata"]["labels"].get("openbdc.dev/workload", "controller")
        own = {entry["image"].rpartition(":")[2] for entry in pod["spec"]["containers"] if "/openbdc/" in entry["image"]}
        if own:
            found[name] = found.get(name, set()) | own
    return found


@contextmanager
def reading(place: Product) -> Iterator[list[Row | None]]:
    """Somebody reads all the time, and begins anew after an error; every answer."""
    answers: list[Row | None] = []
    over = threading.Event()

    def read() -> None:
        while not over.wait(0.2):
            try:
                answers.append(lake.points(place))
            except psycopg.Error:
                continue  # a pool restarts

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        yield answers
    finally:
        over.set()
        reader.join(60)


def test_an_upgrade_goes_pod_by_pod_and_keeps_the_rows(place: Product) -> None:
    before = lake.points(place)
    with reading(place) as answers:
        done = place.bdc("upgrade", place.name, "--tag", NEW, "--yes", seconds=SECONDS)
    assert done["phase"] == f"all pools run with tag {NEW} of docker.io"
    assert set(answers) == {before}
    assert tags(place) == {name: {NEW} for name in ("controller", "compute-0", "data-0", "data-1", "app-proxy", "master-setup")}
    pods = place.pods("openbdc.dev/workload in (compute-0,data-0,data-1,app-proxy)")
    born = sorted((pod["metadata"]["creationTimestamp"], ready_at(pod)) for pod in pods)
    assert all(later[0] >= earlier[1] for earlier, later in pairwise(born)), born
    assert lake.points(place) == before


def ready_at(pod: dict[str, object]) -> str:
    status = pod["status"]
    assert isinstance(status, dict)
    return str(next(one["lastTransitionTime"] for one in status["conditions"] if one["type"] == "Ready"))


def test_backwards_is_refused(place: Product) -> None:
    place.bdc("upgrade", place.name, "--tag", NEW, "--yes", seconds=SECONDS)  # where this test runs alone
    with pytest.raises(RuntimeError, match="does not go backwards"):
        place.bdc("upgrade", place.name, "--tag", OLD, "--yes")


def test_one_that_does_not_come_up_takes_itself_back(place: Product) -> None:
    before, running = lake.points(place), tags(place)
    resource = place.get("bigdatacluster", place.name)
    with pytest.raises(RuntimeError) as failure:
        place.bdc("upgrade", place.name, "--tag", BROKEN, "--yes", seconds=SECONDS)
    said = str(failure.value)
    for words in ("data-0 of pool data does not come up", "it ended with code 3", WORDS, "the images of before again", "bdc upgrade again"):
        assert words in said, said
    assert "the controller of before runs again" in said
    assert place.ready() and tags(place) == running
    assert place.get("bigdatacluster", place.name)["spec"] == resource["spec"]
    assert lake.points(place) == before
