"""docs/security.md names a test for each claim; each must exist."""

from __future__ import annotations

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "security.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", PAGE)))


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_it_exists(file: str, name: str) -> None:
    assert re.search(rf"^(?:async )?def {name}\(", (ROOT / file).read_text(), re.MULTILINE)


def test_every_claim_names_one() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("|") and not line.startswith(("| claim", "|---"))]
    assert rows
    assert [row for row in rows if "::test_" not in row] == []
