"""One world for the tests of the verifier."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from tests.services.postgresql import PostgresqlServer
from tests.virtualization.verify.world import World, world


@pytest.fixture(scope="package")
def everything(postgresql: PostgresqlServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: pathlib.Path = tmp_path_factory.mktemp("world")
    with world(postgresql, folder) as made:
        yield made
