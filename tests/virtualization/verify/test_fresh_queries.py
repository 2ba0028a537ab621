"""Random queries that nobody has seen before, over every kind of source and over several at once. A difference is printed with the command
that repeats it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator

import pytest

from tests.virtualization.verify.checking import check, limits
from tests.virtualization.verify.world import World
from virtualization.verify.report import Report

pytestmark = pytest.mark.service

QUERIES = int(os.environ.get("BDC_TEST_QUERIES", "150"))  # .ci/run asks 3,000
FIRST = int(os.environ.get("BDC_TEST_FIRST", "0"))
KEPT = "verify/seed"
"""Of pytest's cache: a seed that failed is asked again until it passes, as CI tries what failed once more."""


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> Iterator[int]:
    cache = request.config.cache
    assert cache is not None
    told = os.environ.get("BDC_TEST_SEED") or cache.get(KEPT, None)
    chosen = secrets.randbelow(10**9) if told is None else int(told)
    cache.set(KEPT, chosen)
    print(f"BDC_TEST_SEED={chosen} .venv/bin/pytest {__file__} repeats it; with BDC_TEST_FIRST=N BDC_TEST_QUERIES=1 only number N")
    yield chosen


@pytest.mark.timeout(1800)
def test_fresh_queries_do_not_differ(everything: World, seed: int, request: pytest.FixtureRequest) -> None:
    report = check(everything.engine, everything.catalog, everything.scratch, limits(seed, QUERIES, FIRST), contexts=everything.contexts)
    print(report.text())
    if QUERIES >= 1000:
        assert not unasked(report, everything), report.text()
    assert request.config.cache is not None
    request.config.cache.set(KEPT, None)


def unasked(report: Report, of: World) -> set[str]:
    """Sources, and joins over several, that hardly came up."""
    expected = {"2 sources", "3 sources", *of.catalog.sources}
    return {name for name in expected if report.by_source.get(name, 0) < report.queries / 50}
