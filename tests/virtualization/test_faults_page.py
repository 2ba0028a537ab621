"""The page of faults says which test shows what at which kind of source: what it names is there, and what it calls shared is."""

from __future__ import annotations

import pathlib
import re

CONNECTORS = pathlib.Path(__file__).parent / "connectors"
PAGE = (CONNECTORS.parents[2] / "docs" / "architecture" / "source-faults.md").read_text()
KINDS = ("postgresql", "mongodb", "oracle", "odbc", "hdfs", "datapool")
JOINED = {
    "FaultConformance": dict.fromkeys(KINDS[1:4], "{}/test_trouble.py") | {"postgresql": "test_postgresql_trouble.py"},
    "ConnectorConformance": {
        "postgresql": "test_postgresql.py", "mongodb": "mongodb/test_conformance.py", "oracle": "oracle/test_conformance.py",
        "odbc": "odbc/test_mariadb.py", "hdfs": "test_hdfs.py",
    },
}  # fmt: skip
"""Where each kind joins each suite."""

ROWS = [[cell.strip() for cell in line.split("|")[1:-1]] for line in PAGE.splitlines() if line.startswith("| ")][1:]
NAMED = re.findall(r"`([\w./]+\.py)`\s`(\w+)`", PAGE)


def defines(path: pathlib.Path, name: str) -> bool:
    return re.search(rf"^ *def {name}\(", path.read_text(), re.MULTILINE) is not None


def test_what_the_page_names_is_there() -> None:
    missing = [f"{path} {name}" for path, name in NAMED if not defines(CONNECTORS / path, name)]
    assert not missing and len(NAMED) > 40


def test_what_it_calls_shared_is_asked_of_that_kind() -> None:
    wrong = []
    for fault, shared, *cells in ROWS:
        names = re.findall(r"`(\w+)`", shared)
        suite = names[0] if len(names) == 2 else "FaultConformance"
        for kind, cell in zip(KINDS, cells, strict=True):
            if cell != "shared":
                continue
            joined = CONNECTORS / JOINED[suite][kind].format(kind)
            if suite not in joined.read_text() or defines(joined, names[-1]) or not defines(CONNECTORS / "conformance.py", names[-1]):
                wrong.append(f"{fault}: {kind}")
    assert not wrong and len(ROWS) > 20


def test_every_test_of_the_suite_has_its_row() -> None:
    suite = (CONNECTORS / "conformance.py").read_text().split("class FaultConformance")[1]
    told = " ".join(row[1] for row in ROWS)
    assert [name for name in re.findall(r"def (test_\w+)", suite) if f"`{name}`" not in told] == []
