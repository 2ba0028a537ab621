"""The protocol's page says where each of its lines is modelled and carried out; what it names is there."""

from __future__ import annotations

import pathlib
import re

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[3]
LINES = (ROOT / "docs" / "architecture" / "load-protocol.md").read_text().split("## Where each line is")[1].splitlines()
NAMED = [
    (folder / path, name)
    for line in LINES
    if line.startswith("|") and line.count("|") == 4
    for folder, cell in zip((HERE, ROOT / "pools"), line.split("|")[2:4], strict=True)
    for path, name in re.findall(r"`([\w./]+)` `(\w+)`", cell)
]


def test_what_the_page_names_is_there() -> None:
    missing = [
        f"{path.name} {name}" for path, name in NAMED if not re.search(rf"(def |FUNCTION bdc\.|^){name}\b", path.read_text(), re.MULTILINE)
    ]
    assert not missing and len(NAMED) > 40
