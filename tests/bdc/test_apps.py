"""How an app is named in Python, and what is refused before anything is asked. What clusters answer: tests/cluster/test_python_sdk.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas
import pytest

from bdc.apps import Apps
from bdc.errors import InvalidNameError, UserError
from bdc.rest import JsonClient


class Asked(JsonClient):
    """A stand-in for the controller and the proxy: it is asked, and answers what fits all."""

    def request(self, method: str, path: str, **more: Any) -> object:
        LAST.append(f"{method} {path.removeprefix('/api/')}")
        return {"access_token": "t", "expires_in": 60, "endpoint": "http://127.0.0.1:1", "runs": [], "lines": []}


LAST: list[str] = []


@pytest.fixture
def apps() -> Apps:
    LAST.clear()
    return Apps(Asked("http://127.0.0.1:1"), by_gateway=True)


@pytest.mark.parametrize(
    ("ask", "asked"),
    [
        (lambda apps: apps.describe("house@v1"), "GET v1/apps/house/v1"),
        (lambda apps: apps.describe("house", "v1"), "GET v1/apps/house/v1"),
        (lambda apps: apps.describe("house"), "GET v1/apps/house/live"),
        (lambda apps: apps.log("house@v1"), "GET v1/apps/house/v1/log"),
        (lambda apps: apps.log("house", "v1", 5), "GET v1/apps/house/v1/log"),
        (lambda apps: apps.history("house@v2"), "GET v1/apps/house/v2/history"),
        (lambda apps: apps.promote("house@v2"), "POST v1/apps/house/v2/promote"),
        (lambda apps: apps.promote("house"), "POST v1/apps/house/live/promote"),
        (lambda apps: apps.delete("house@v1"), "DELETE v1/apps/house/v1"),
        (lambda apps: apps.run("house@v1", {}), "POST app/house/v1/run"),
        (lambda apps: apps.run("house", "v1", {}), "POST app/house/v1/run"),
        (lambda apps: apps.run("house", {}), "POST app/house/live/run"),
    ],
)
def test_an_app_is_named_at_once_or_in_two_parts(apps: Apps, ask: Callable[[Apps], object], asked: str) -> None:
    ask(apps)
    assert LAST[-1] == asked


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda apps: apps.delete("house"), "which version of house"),
        (lambda apps: apps.describe("house@v1", "v1"), "the version of house is named twice"),
        (lambda apps: apps.describe(3), "named by a text such as 'house@v1', not by int"),
        (lambda apps: apps.score("house@v1", pandas.DataFrame()), "not by pandas.DataFrame"),
        (lambda apps: apps.run("house", "v1"), "which inputs"),
        (lambda apps: apps.run("house@v1", "x=1"), "which inputs"),
        (lambda apps: apps.run("house@v1", [1]), "inputs are a dict of names and values, this is a list"),
        (lambda apps: apps.run("house@v1", {"x": 1j}), "input x is a complex"),
        (lambda apps: apps.run("@v1", {}), "'' can't be the name of an app"),
    ],
)
def test_what_is_wrong_is_refused_here(apps: Apps, ask: Callable[[Apps], object], said: str) -> None:
    with pytest.raises((UserError, InvalidNameError)) as refused:
        ask(apps)
    assert said in refused.value.message
    assert refused.value.hint
    assert LAST == []
