"""Edges that have a name: each statement with pushdown, without, and on PostgreSQL over a copy."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Iterator

import pytest
from sqlglot import exp

from tests.virtualization.verify.checking import limits
from tests.virtualization.verify.world import World
from virtualization.parse import parse
from virtualization.verify.judge import Judge
from virtualization.verify.verifier import verification

pytestmark = pytest.mark.service

QUERIES = pathlib.Path(__file__).with_name("named_edges.sql")
"""A comment names the edge of the statements below it, one a line; ``@LONG@`` is a long list of numbers."""
GUIDE = pathlib.Path(__file__).parents[3] / "docs" / "guide" / "verify.md"
CONNECTORS = pathlib.Path(__file__).parents[1] / "connectors"
LONG = ",".join(map(str, range(-3, 200)))


def named() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in QUERIES.read_text().splitlines():
        if line.startswith("-- "):
            edge = line.removeprefix("-- ")
        elif line:
            found.setdefault(edge, []).append(line.replace("@LONG@", LONG))
    return found


EDGES = named()


ASKED = {
    "null order", "collation and case", "trailing blanks", "decimal scale and rounding", "integer overflow and division", "extreme dates",
    "time zones and daylight saving", "empty string", "NaN, infinities and minus zero", "LIKE escapes", "long lists",
    "odd names and Unicode",
}  # fmt: skip
"""Each over at least four kinds of sources."""


@pytest.fixture(scope="module")
def judge(everything: World) -> Iterator[Judge]:
    with verification(everything.engine, everything.catalog, everything.scratch, limits(0, 1), everything.contexts) as prepared:
        yield prepared.judges[0]


@pytest.mark.parametrize("edge", EDGES)
def test_edge(judge: Judge, edge: str) -> None:
    wrong = [f"{sql}\n  {verdict.side}: {verdict.what}" for sql in EDGES[edge] for verdict in judge.verdicts(sql) if verdict.different]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("edge", sorted(ASKED))
def test_an_edge_is_looked_at_over_many_sources(everything: World, edge: str) -> None:
    tables = {table.name: everything.catalog.source(table.source).connector for table in everything.catalog.tables()}
    named = {table.name for sql in EDGES[edge] if "FROM" in sql for table in parse(sql).find_all(exp.Table)}
    assert len({tables[name] for name in named}) >= 4


def test_the_guide_names_every_edge_and_tests_that_are_there() -> None:
    rows = [line.split("|")[2:4] for line in GUIDE.read_text().splitlines() if re.match(r"\| .* \| `.*` \|", line)]
    assert {section.strip(" `") for section, _ in rows} == set(EDGES) - {"groups, windows and sets"}
    for file, name in re.findall(r"`([\w/]+\.py)::(\w+)`", "".join(tests for _, tests in rows)):
        assert f"def {name}(" in (CONNECTORS / file).read_text(), name
