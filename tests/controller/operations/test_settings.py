"""Settings: pending until applied, keys of spec and original, unknown ones told with what is near."""

from __future__ import annotations

import pathlib

import pytest

from controller.errors import RequestError, SpecError
from controller.operations.applying import begin_apply
from controller.operations.settings import NOTHING_HERE, ORIGINAL, Settings
from tests.controller.operations.world import World


@pytest.fixture
def world(tmp_path: pathlib.Path) -> World:
    return World(tmp_path)


@pytest.fixture
def settings(world: World) -> Settings:
    return Settings(world.store, world.operating.planner)


def test_pending_then_applied(world: World, settings: Settings) -> None:
    assert settings.set({"pools.compute.memoryMegabytes": "2048"}) == {"spec.pools.compute.memoryMegabytes": "2048"}
    assert settings.set({"spec.pools.data.threads": "2"}).keys() == {"spec.pools.compute.memoryMegabytes", "spec.pools.data.threads"}
    shown = {one.name: (one.value, one.pending) for one in settings.show() if one.pending is not None}
    assert shown == {"spec.pools.compute.memoryMegabytes": (1024, 2048), "spec.pools.data.threads": (1, 2)}
    assert world.document.writes == 0
    here = world.operating
    _, begun = begin_apply(here.engine, here.planner, "admin", {"spec": settings.applied_text(), "seconds": 600})
    assert begun is not None and world.carry_out(begun.number).state == "done"
    assert world.spec().spec.pools.compute.memory_megabytes == 2048


def test_reverted_and_empty(settings: Settings) -> None:
    settings.set({"pools.data.threads": "2"})
    assert settings.revert() == {"spec.pools.data.threads": "2"} and settings.pending() == {}
    with pytest.raises(RequestError, match="no setting is pending"):
        settings.applied_text()


def test_keys_of_the_original(settings: Settings) -> None:
    found = settings.set(
        {
            "hdfs-site.dfs.replication": "1",
            "spark-defaults-conf.spark.driver.memory": "2g",
            "spark-defaults-conf.spark.sql.shuffle.partitions": "8",
        }
    )
    assert found == {
        "spec.pools.storage.replication": "1",
        "spec.pools.storage.spark.memoryMegabytes": "2048",
        "spec.pools.storage.spark.conf": '{"spark.sql.shuffle.partitions": "8"}',
    }
    names = {one.name for one in settings.show()}
    assert set(ORIGINAL.values()) <= names


@pytest.mark.parametrize("key", [*NOTHING_HERE, "mssql.tempdb.numberOfFiles"])
def test_keys_that_mean_nothing_here_say_what_does(settings: Settings, key: str) -> None:
    with pytest.raises(RequestError, match="means nothing here"):
        settings.set({key: "true"})


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("pools.compute.memoryMegabyte", "spec.pools.compute.memoryMegabytes"),
        ("pools.master.maxConection", "spec.pools.master.maxConnections"),
        ("retentionSecond", "spec.pools.data.retentionSeconds"),
        ("hdfs-site.dfs.replicaton", "hdfs-site.dfs.replication"),
    ],
)
def test_unknown_keys_are_told_with_what_is_near(settings: Settings, key: str, near: str) -> None:
    with pytest.raises(RequestError) as failure:
        settings.set({key: "1"})
    assert failure.value.hint == f"did you mean {near!r}?" and settings.pending() == {}


def test_one_wrong_value_and_nothing_is_pending(settings: Settings) -> None:
    with pytest.raises(SpecError):
        settings.set({"pools.data.threads": "2", "pools.compute.replicas": "none"})
    assert settings.pending() == {}
