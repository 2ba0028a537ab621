"""What many tests share (``scope="session"``) ends after the last test that asks for it, not with the run: an idle Kubernetes, cluster or
HDFS keeps a busy machine busier for minutes in which nobody needs it. A plugin for pytest; ``tests/conftest.py`` takes it in.

Who takes a service by ``request.getfixturevalue`` after that gets a new one.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

Made = tuple[pytest.FixtureDef[Any], pytest.FixtureRequest]


class Sharing:
    """Of one run."""

    def __init__(self) -> None:
        self._last: dict[str, pytest.Item] = {}
        """Fixture → the last test that needs it, by itself or through another fixture."""
        self._made: dict[str, Made] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """The order of the tests is known."""
        for item in session.items:
            self._last.update(dict.fromkeys(getattr(item, "fixturenames", ()), item))

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> Generator[None, object, object]:
        """Remember what of ours was made."""
        value = yield
        if fixturedef.scope == "session" and fixturedef.baseid.startswith("tests"):  # pytest's own stay
            self._made[fixturedef.argname] = (fixturedef, request)
        return value

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, object, object]:
        """The last made goes first; what stands on it has gone with the test."""
        value = yield
        for name in [name for name in reversed(self._made) if self._last.get(name) is item]:
            fixturedef, request = self._made.pop(name)
            fixturedef.finish(request)  # type: ignore[arg-type]  # it says SubRequest, which pytest does not export
        return value
