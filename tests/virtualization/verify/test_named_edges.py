"""Edges that have a name: each statement with pushdown, without, and on PostgreSQL over a copy."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from tests.services.postgresql import PostgresqlServer
from tests.virtualization.verify.checking import limits
from tests.virtualization.verify.edges import edges
from virtualization.verify.judge import Judge
from virtualization.verify.verifier import verification

pytestmark = pytest.mark.service

QUERIES = pathlib.Path(__file__).with_name("named_edges.sql")
"""A comment names the edge of the statements below it, one a line; ``@LONG@`` is a long list of numbers."""
LONG = ",".join(map(str, range(-3, 600)))


def named() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in QUERIES.read_text().splitlines():
        if line.startswith("-- "):
            edge = line.removeprefix("-- ")
        elif line:
            found.setdefault(edge, []).append(line.replace("@LONG@", LONG))
    return found


EDGES = named()


@pytest.fixture(scope="module")
def judge(postgresql: PostgresqlServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    with (
        edges(postgresql, str(tmp_path_factory.mktemp("duckdb")), "named") as made,
        verification(made.engine, made.catalog, made.scratch, limits(0, 1)) as prepared,
    ):
        yield prepared.judge


@pytest.mark.parametrize("edge", EDGES)
def test_edge(judge: Judge, edge: str) -> None:
    wrong = [f"{sql}\n  {verdict.side}: {verdict.what}" for sql in EDGES[edge] for verdict in judge.verdicts(sql) if verdict.different]
    assert not wrong, "\n".join(wrong)
