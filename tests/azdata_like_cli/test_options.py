"""``--option KEY=VALUE``: what is read as JSON, and what stays text."""

from __future__ import annotations

import pytest

from azdata_like_cli.sourcewords import options_of


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("true", True), ("3", 3), ("1.5", 1.5), ('"3"', "3"), (";", ";"), ("", ""), ("a=b", "a=b"),
        ("null", "null"), ('{"a": 1}', '{"a": 1}'), ("[1]", "[1]"),
    ],
)  # fmt: skip
def test_a_value(written: str, value: object) -> None:
    assert options_of([f"key={written}"]) == {"key": value}
