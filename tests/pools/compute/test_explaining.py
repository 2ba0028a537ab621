"""Explanations that the master asks for: parameters, statements that write. The whole way: test_told.py."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from pools.compute.errors import StatementError
from pools.compute.explaining import FILLED_IN, ROW_BY_ROW, WRITE, asked_explanation, kept_rows
from pools.compute.runner import Explanation
from virtualization.plan import Plan


class Told:
    """Says which statement it is of."""

    def __init__(self, sql: str, analyze: bool) -> None:
        self.sql, self.analyze = sql, analyze

    def text(self) -> str:
        return f"{self.sql} {self.analyze}"

    def json(self) -> dict[str, object]:
        return {"sql": self.sql}


def asked(sql: str, **more: Any) -> list[Any]:
    async def explain(text: str, analyze: bool) -> tuple[Explanation, Plan]:
        return Told(text, analyze), cast(Plan, None)

    return asyncio.run(asked_explanation({"sql": sql, **more}, explain))


def test_parameters_become_nulls_and_are_never_run() -> None:
    assert asked("SELECT a FROM t WHERE b = 1", analyze=True) == [{"line": "SELECT a FROM t WHERE b = 1 True"}]
    first, second = asked("SELECT '$2' FROM t WHERE b = $1::integer", analyze=True)
    assert FILLED_IN in first["line"] and "not run" in first["line"]
    assert second == {"line": "SELECT '$2' FROM t WHERE b = NULL::integer False"}
    ((plan,),) = [row.values() for row in asked("SELECT $1::text", format="json")]
    assert plan["sql"] == "SELECT NULL::text" and FILLED_IN in plan["note"]


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("INSERT INTO public.t(a) VALUES ($1)", WRITE),
        ("DELETE FROM public.t WHERE ((a = 3))", WRITE),
        ("UPDATE public.t SET a = $2 WHERE ctid = $1", ROW_BY_ROW),
        ("DELETE FROM public.t WHERE ctid = $1", ROW_BY_ROW),
        ("SELECT a, ctid FROM public.t FOR UPDATE", ROW_BY_ROW),
    ],
)
def test_of_what_writes_there_is_nothing_to_plan(sql: str, said: str) -> None:
    assert asked(sql) == [{"line": said}]
    assert asked(sql, format="json") == [{"plan": {"note": said}}]


def test_a_plan_that_is_none_is_refused() -> None:
    for plan in (None, [], {"Plan": 3}):
        with pytest.raises(StatementError):
            kept_rows(plan, "text")
    whole = {"Plan": {"Node Type": "Foreign Scan", "Remote SQL": "SELECT 1"}}
    assert kept_rows(whole, "text") == [{"line": "The master ships all of it."}]
    assert kept_rows(whole, "json") == [{"kept": []}]
