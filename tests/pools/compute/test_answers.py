"""Answers without a planner: only where the text has one plain meaning."""

from __future__ import annotations

import pytest

from pools.compute.answers import Facts, answer
from pools.compute.snapshot import empty

FACTS = Facts("alice", "sales", 1, "public", lambda name: f"value of {name}")


@pytest.mark.parametrize(
    ("text", "value"),
    [("'a''b'", "a'b"), ("'a\\nb'", "a\\nb"), ("42", 42), ("current_user", "alice"), ("current_setting('x')", "value of x")],
)
def test_what_is_known(text: str, value: object) -> None:
    found = answer(f"SELECT {text} AS x", FACTS, empty("sales"))
    assert found is not None
    assert found.rows == ((value,),)


@pytest.mark.parametrize(
    "text", ["E'a\\nb'", "$$a$$", "$x$a$x$", "B'101'", "X'1f'", "U&'\\0061'", "N'a'", "0x1F", "3000000000", "1.5", "1 + 1"]
)
def test_what_the_planner_must_read(text: str) -> None:
    assert answer(f"SELECT {text}", FACTS, empty("sales")) is None
