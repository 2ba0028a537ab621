"""docs/architecture/kubernetes-faults.md has a line for each fault, and a test for each line that is there."""

from __future__ import annotations

import pathlib
import re

TESTS = pathlib.Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs" / "architecture" / "kubernetes-faults.md").read_text()
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ")][1:]
NAMED = re.findall(r"`([\w/]+\.py)::(test_\w+)`", PAGE)
FAULTS = (
    "no default storage class", "claim pending", "image not pullable", "quota exceeded", "node too small", "RBAC right missing",
    "CRD of another version", "edited by hand", "deleted by hand", "two controllers", "API server away", "PVC lost", "name too long",
    "namespace terminating", "upgrade to a version that crashes", "spec changed in the middle of an upgrade", "two applies at once",
)  # fmt: skip


def test_every_fault_has_its_line() -> None:
    names = [row.split("|")[1] for row in ROWS]
    assert [fault for fault in FAULTS if not any(fault in name for name in names)] == []


def test_every_line_names_tests_that_are_there() -> None:
    assert [row for row in ROWS if "::test_" not in row] == []
    missing = [f"{path} {name}" for path, name in NAMED if not re.search(rf"^def {name}\(", (TESTS / path).read_text(), re.MULTILINE)]
    assert missing == [] and len(NAMED) > 35
