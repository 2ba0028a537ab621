"""Plans from templates are the plans that planning gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from virtualization.pieces import Pieces
from virtualization.plan import OutputColumn, Plan
from virtualization.templates import Templates


@dataclass(frozen=True)
class Statement:
    """A fragment that is a statement."""

    text: str
    source: str = "remote"
    columns: tuple[OutputColumn, ...] = (OutputColumn("id", "bigint"),)
    tables: tuple[tuple[str, str], ...] = ()

    @property
    def statement_text(self) -> str:
        return self.text

    def with_text(self, text: Pieces) -> Statement:
        return replace(self, text=text.text)


@dataclass(frozen=True)
class Words:
    """A fragment whose text only describes it."""

    text: str


class Planning:
    """Planning that is counted: the statement is the text under another name."""

    def __init__(self, fragment: Callable[[str], object] = lambda sql: Statement(sql.replace("points", "remote_points"))) -> None:
        self.texts: list[str] = []
        self._fragment = fragment

    def __call__(self, sql: str) -> Plan:
        self.texts.append(sql)
        return Plan(sql, (self._fragment(sql),), None, None, (OutputColumn("id", "bigint"),))  # type: ignore[arg-type]


def plan_all(texts: list[str], planning: Planning) -> list[str]:
    templates = Templates()
    plans = [templates.plan(text, 1, planning) for text in texts]
    assert [plan.sql for plan in plans] == texts
    return [plan.fragments[0].text for plan in plans]


def test_integers_beside_columns_vary() -> None:
    planning = Planning()
    texts = [f"SELECT id FROM points WHERE ((id = {key})) AND ((grp < {key + 1}))" for key in range(10, 20)]
    assert plan_all(texts, planning) == [text.replace("points", "remote_points") for text in texts]
    assert len(planning.texts) == 3  # the first, the second, and its stand-ins


def test_other_literals_are_the_same() -> None:
    planning = Planning()
    texts = [f"SELECT id FROM points WHERE id > {key} AND name = '{name}' LIMIT {name}" for name in (5, 6) for key in range(10, 20)]
    assert plan_all(texts, planning) == [text.replace("points", "remote_points") for text in texts]
    assert len(planning.texts) == 3 + 10  # the other name and limit are planned


def test_another_version_is_planned_anew() -> None:
    planning, templates = Planning(), Templates()
    for version in range(5):
        templates.plan(f"SELECT id FROM points WHERE id = {version}", version, planning)
    assert len(planning.texts) == 5


@pytest.mark.parametrize(
    "text",
    [
        "SELECT id + {} FROM points",
        "SELECT id FROM points ORDER BY {}",
        "SELECT id FROM points LIMIT {}",
        "SELECT id FROM points WHERE id + 1 = {}",
        "SELECT id FROM points WHERE id = -{}",
        "SELECT id FROM points WHERE id = {}::bigint",
    ],
)
def test_integers_elsewhere_are_planned(text: str) -> None:
    planning = Planning()
    plan_all([text.format(number) for number in range(1, 6)], planning)
    assert [sql for sql in planning.texts if "2000000" not in sql] == [text.format(number) for number in range(1, 6)]


@pytest.mark.parametrize(
    "fragment",
    [
        lambda sql: Words(sql),
        lambda sql: Statement("SELECT 1"),
        lambda sql: Statement(sql if "2000000" in sql else sql + " "),
    ],
)
def test_statements_that_do_not_follow_the_text_are_planned(fragment: Callable[[str], object]) -> None:
    planning = Planning(fragment)
    texts = [f"SELECT id FROM points WHERE id = {key}" for key in range(5)]
    plan_all(texts, planning)
    assert [sql for sql in planning.texts if "2000000" not in sql] == texts


def test_kinds_of_integers_do_not_mix() -> None:
    planning = Planning()
    small = [f"SELECT id FROM points WHERE id = {key}" for key in range(5)]
    large = [f"SELECT id FROM points WHERE id = {key + 2**40}" for key in range(5)]
    assert plan_all(small + large, planning) == [text.replace("points", "remote_points") for text in small + large]
    assert len(planning.texts) == 6
