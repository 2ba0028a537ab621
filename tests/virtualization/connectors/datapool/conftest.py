"""One set of shards and reference databases for all tests of the connector."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from tests.services.postgresql import PostgresqlServer
from tests.virtualization.connectors.datapool.lab import Lab, labs
from tests.virtualization.connectors.datapool.shards import Shards, shards


@pytest.fixture(scope="package")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shards]:
    with shards(tmp_path_factory.mktemp("pool")) as running:
        yield running


@pytest.fixture(scope="package")
def every_lab(postgresql: PostgresqlServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Lab]]:
    folder: pathlib.Path = tmp_path_factory.mktemp("labs")
    with labs(postgresql, folder) as made:
        yield made
