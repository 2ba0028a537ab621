"""The comment in which the master's module says a query's time zone."""

from __future__ import annotations

import pytest

from pools.compute.errors import StatementError
from pools.compute.whole import time_zone


def test_it_is_taken_off_the_end() -> None:
    assert time_zone("SELECT 1 /*bdc timezone=Europe/Berlin*/") == ("SELECT 1", "Europe/Berlin")
    assert time_zone("SELECT 1 /*bdc timezone=UTC*/") == ("SELECT 1", "UTC")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "SELECT '/*bdc timezone=UTC*/'",
        "/*bdc timezone=UTC*/ SELECT 1",
        "SELECT 1 /*bdc timezone=UTC*/ LIMIT 1",
        "SELECT 1 /*bdc timezone=a b*/",
        "SELECT 1 /* another */",
        "",
    ],
)
def test_anything_else_is_left_alone(sql: str) -> None:
    assert time_zone(sql) == (sql, None)


def test_an_unknown_one_is_refused_so_that_the_master_computes() -> None:
    with pytest.raises(StatementError, match="does not know the time zone") as refused:
        time_zone("SELECT 1 /*bdc timezone=Nowhere/Atlantis*/")
    assert refused.value.code == "0A000"
