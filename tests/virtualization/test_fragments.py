"""Whether an engine reads a fragment itself is told without asking the fragment's source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import pytest

from tests.virtualization.stand_ins import MemoryFragment, memory_table
from virtualization.fragments import by_engine
from virtualization.metering import Meter
from virtualization.narrowing import Held
from virtualization.plan import Counts, Fragment
from virtualization.planner.first_rows import FirstRows

ROWS = memory_table({"id": ("bigint", [1, 2])})


@dataclass
class Files(MemoryFragment):
    """A scan; its text costs a listing of a folder."""

    by_engine: bool = True

    def duckdb_sql(self) -> str | None:
        raise AssertionError("nobody runs it yet")


@pytest.mark.parametrize("told", [True, False])
def test_who_tells_is_not_asked_for_a_text(told: bool) -> None:
    files = cast(Fragment, Files(ROWS, by_engine=told))
    assert by_engine(files) == by_engine(Meter(files, Counts())) == by_engine(FirstRows(Meter(files, Counts()), 3)) == told
    assert not by_engine(Held(files, ROWS.schema, tuple(ROWS.to_batches())))


@pytest.mark.parametrize("text", ["SELECT 1", None])
def test_who_does_not_tell_is_asked(text: str | None) -> None:
    assert by_engine(cast(Fragment, MemoryFragment(ROWS, sql=text))) == (text is not None)
