"""A lake of local files per test."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from tests.virtualization.connectors.hdfs.local import Lake


@pytest.fixture
def lake(tmp_path: pathlib.Path) -> Iterator[Lake]:
    made = Lake(tmp_path)
    yield made
    made.connector.close()
