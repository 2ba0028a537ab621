"""The pages about security name a test for each claim; each must exist."""

from __future__ import annotations

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[1]
PAGES = {name: (ROOT / "docs" / name).read_text() for name in ("security.md", "architecture/identity.md", "threat-model.md")}
NAMED = sorted({found for page in PAGES.values() for found in re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", page)})
HEADS = ("| claim", "| arrow", "| attacker,")


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_it_exists(file: str, name: str) -> None:
    assert re.search(rf"^(?:async )?def {name}\(", (ROOT / file).read_text(), re.MULTILINE)


@pytest.mark.parametrize("page", PAGES)
def test_every_claim_names_one_or_says_that_it_is_open(page: str) -> None:
    rows: list[str] = []
    claims = False
    for line in PAGES[page].splitlines():
        claims = line.startswith(HEADS) or (claims and line.startswith("|"))
        rows += [line] if claims and not line.startswith((*HEADS, "|---")) else []
    assert len(rows) > 10
    assert [row for row in rows if "::test_" not in row and "**open**" not in row] == []
