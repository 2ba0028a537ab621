"""One shard per module; tests use tables of their own."""

import pathlib
from collections.abc import Iterator

import pytest

from pools.data.shard import Shard
from tests.pools.data.stand import Client, Process, served


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Client, Shard]]:
    """The client of a shard in this process, and the shard."""
    with served(pathlib.Path(tmp_path_factory.mktemp("shard"))) as both:
        yield both


@pytest.fixture
def client(running: tuple[Client, Shard]) -> Client:
    """A client of the shard."""
    return running[0]


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    """Whatever becomes of the test."""
    yield
    while Process.begun:
        Process.begun.pop().kill()
