"""Analysts' queries over two PostgreSQL sources and files in HDFS: types and rows are those of one PostgreSQL that holds it all."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from tests.services.hdfs import hdfs_server
from tests.services.postgresql import PostgresqlServer
from tests.virtualization.mixed import Mixed, mixed

pytestmark = pytest.mark.service

QUERIES = pathlib.Path(__file__).with_name("mixed_queries.sql")
"""One query a line."""


def queries() -> list[str]:
    return [line for line in QUERIES.read_text().splitlines() if line]


@pytest.fixture(scope="module")
def lab(postgresql: PostgresqlServer) -> Iterator[Mixed]:
    with hdfs_server() as lake, mixed(postgresql, lake) as made:
        yield made


def test_every_query_answers_as_one_postgresql(lab: Mixed) -> None:
    wrong = [problem for sql in queries() if (problem := lab.difference(sql))]
    assert not wrong, "\n".join(wrong)
