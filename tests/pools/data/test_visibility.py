"""The condition of a view, against the plain meaning of "visible"."""

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st

from pools.data.visibility import MAX_RUNS, View

NUMBERS = st.sets(st.integers(1, 12))


@settings(deadline=None, max_examples=50)
@given(NUMBERS, NUMBERS)
def test_a_row_is_seen_if_its_segment_is_and_its_end_is_not(invisible: set[int], marks: set[int]) -> None:
    view = View(1, tuple(sorted(invisible)), tuple(sorted(invisible & marks)))
    found = duckdb.sql(f"SELECT seg, dead FROM (SELECT * FROM range(1, 13) a(seg), range(0, 13) b(dead)) WHERE {view.condition}").fetchall()
    ending = marks  # only segments with marks are in ``dead`` of any row
    expected = {(seg, dead) for seg in range(1, 13) for dead in (0, *ending) if seg not in invisible and (dead == 0 or dead in invisible)}
    assert {pair for pair in found if pair[1] == 0 or pair[1] in ending} == expected


def test_many_scattered_segments_are_one_list() -> None:
    numbers = tuple(range(1, 8 * MAX_RUNS, 2))
    condition = View(1, (*numbers, 9001, 9002)).condition
    assert condition.count("BETWEEN") == 1
    assert condition.count("IN (") == 1
    assert View(1, tuple(range(5, 5000))).condition == "NOT (seg BETWEEN 5 AND 4999) AND (dead = 0)"
