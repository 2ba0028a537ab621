"""What is found out about a table: from its source, else from some of its rows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.virtualization.planner.duckdb_sources import Sources
from virtualization.analysis import Analyzed, analyzed
from virtualization.plan import Detected
from virtualization.planner.estimates import Values
from virtualization.statistics import ColumnStatistics

ROWS = 40


@pytest.fixture
def sources() -> Iterator[Sources]:
    made = Sources(ROWS)
    yield made
    made.close()


def asked(sources: Sources, sample: int) -> Analyzed:
    return analyzed(sources.engine, sources.definition("one"), sources.catalog().table(None, "b"), sample)


def test_a_source_that_knows_all_is_believed(sources: Sources) -> None:
    known = {name: ColumnStatistics(0.0, 8, -1, "{1,2}") for name in ("a", "y", "t")}
    sources.knows = Detected((), rows=5e6, statistics=known)
    found = asked(sources, 10)
    assert (found.rows, found.statistics, found.sampled) == (5e6, known, {})


def test_a_small_table_is_read_whole(sources: Sources) -> None:
    found = asked(sources, 1000)
    assert found.rows == ROWS and set(found.statistics) == {"a", "y", "t"} and not found.sampled
    assert found.statistics["t"].most_common_vals is not None


def test_of_a_large_one_some_rows_tell_of_what_the_source_does_not_know(sources: Sources) -> None:
    sources.knows = Detected((), statistics={"t": ColumnStatistics(0.5, 20, 7, "{u,z}")})
    found = asked(sources, 30)
    assert found.rows == ROWS, "counted, as the source does not say"
    assert set(found.statistics) == {"t"} and set(found.sampled) == {"a", "y"}
    facts = found.sampled["y"]
    assert 0 < facts.nulls < 0.5 and 5 <= Values(facts, ROWS).distinct <= 12 and facts.least is None
