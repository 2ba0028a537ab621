"""A pool for tests that lose what others need: shards' folders, the master."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.services.data_pool import Client, DataPool, data_pool
from tests.services.forkserver import Forks


@pytest.fixture(scope="session")
def lossy_pool(forks: Forks) -> Iterator[DataPool]:
    """One for all of them; make tables of your own in it, and leave it with all processes running."""
    with data_pool(shards=2, forks=forks) as made:
        yield made


@pytest.fixture
def lossy_client(lossy_pool: DataPool) -> Iterator[Client]:
    """Flight, as alice."""
    client = lossy_pool.client("alice")
    yield client
    client.close()
