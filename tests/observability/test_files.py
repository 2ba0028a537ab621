"""The reference page, the alert rules and the dashboard say what the code says."""

from __future__ import annotations

import json
import pathlib
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from controller.metrics_reference import PARTS, labels, names, page
from tests.observability.promql import Reader, RefusedError

ROOT = pathlib.Path(__file__).parents[2]
FILES = ROOT / "helm/openbdc/files"
RULES: list[dict[str, Any]] = [rule for group in yaml.safe_load((FILES / "rules.yaml").read_text())["groups"] for rule in group["rules"]]
BOARD: dict[str, Any] = json.loads((FILES / "dashboard.json").read_text())


def panels() -> Iterator[tuple[str, dict[str, str]]]:
    for panel in BOARD["panels"]:
        for target in panel.get("targets", ()):
            yield f"{panel['title']} {target['refId']}", target


def checked(expression: str) -> None:
    """Every name exists, and every label is one of the metric's."""
    used = Reader(expression).read()
    assert used.selectors
    known: set[str] = set()
    for name, asked in used.selectors:
        assert name in names(), f"there is no metric {name}"
        assert asked <= labels(name), f"{name} has no labels {asked - labels(name)}"
        known |= labels(name)
    assert used.grouped <= known, f"no metric has the labels {used.grouped - known}"


def test_the_page_is_made_from_the_tables() -> None:
    assert (ROOT / "docs/reference/metrics.md").read_text() == page(), "python -m controller.metrics_reference > docs/reference/metrics.md"


def test_names_say_their_kind_and_service() -> None:
    every = [metric for _, _, table in PARTS for metric in table]
    assert len({metric.name for metric in every}) == len(every)
    for metric in every:
        assert re.fullmatch(r"openbdc_[a-z0-9_]+", metric.name)
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric.name
        assert metric.kind != "histogram" or metric.name.endswith("_seconds")
        assert metric.help.endswith(".") and not set(metric.labels) & {"le", "workload"} - {"workload"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule(rule: dict[str, Any]) -> None:
    checked(rule["expr"])
    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    assert rule["alert"].startswith("OpenBDC") and len(rule["annotations"]["description"]) > 40  # what to do
    said = set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
    known = {label for name, _ in Reader(rule["expr"]).read().selectors for label in labels(name)}
    assert said <= known
    if "absent(" in rule["expr"]:
        assert not said


def test_alerts_have_names_of_their_own() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES)


@pytest.mark.parametrize(("title", "target"), list(panels()), ids=[title for title, _ in panels()])
def test_a_panel(title: str, target: dict[str, str]) -> None:
    checked(target["expr"])
    used = Reader(target["expr"]).read()
    known = used.grouped or {label for name, _ in used.selectors for label in labels(name)}
    assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= known


def test_the_board_s_places_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        grid = panel["gridPos"]
        cells = {(x, y) for x in range(grid["x"], grid["x"] + grid["w"]) for y in range(grid["y"], grid["y"] + grid["h"])}
        assert not cells & taken and grid["x"] + grid["w"] <= 24, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])


@pytest.mark.parametrize(
    "wrong",
    [
        "sum by (a (x)",
        "rate(x)",
        "x[5m]",
        "x{a=b}",
        "x >",
        "sum(x",
        "x y",
        "rate(sum(x)[5m])",
        "histogram_quantile(0.5)",
        "x[5]",
        "",
        "x > 0.8 * on (a) y",
        'x{a="b"}}',
    ],
)
def test_the_reader_refuses(wrong: str) -> None:
    """What promql-parser refuses too, and a range that is no function's."""
    with pytest.raises(RefusedError):
        Reader(wrong).read()
