"""Reason codes: everything that the code may say is in the table, and nothing else; the page is the table."""

from __future__ import annotations

import ast
import pathlib
import re
from collections.abc import Iterator

from virtualization.reasons import REASONS, page

ROOT = pathlib.Path(__file__).parents[2]
_PLACES = {"Kept": 1, "_kept": 1, "keep": 1, "refuse": 1, "scattered": 1}


def said() -> Iterator[str]:
    """The constant codes in calls that make a reason."""
    for file in (ROOT / "virtualization").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            name = getattr(node.func, "id", getattr(node.func, "attr", "")) if isinstance(node, ast.Call) else ""
            place = _PLACES.get(name)
            if place is not None and isinstance(node, ast.Call) and len(node.args) > place:
                code = node.args[place]
                if isinstance(code, ast.Constant) and isinstance(code.value, str):
                    yield code.value


def test_the_table_is_complete() -> None:
    of_master = re.findall(r'"(fdw_\w+)"', (ROOT / "pools/compute/master_plans.py").read_text())
    assert sorted({*said(), *of_master} ^ set(REASONS)) == []


def test_the_page_is_the_table() -> None:
    assert (ROOT / "docs/reference/reasons.md").read_text() == page()
