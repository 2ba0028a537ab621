from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.controller.supervisor.running import Running, running_supervisor


@pytest.fixture
def supervisor() -> Iterator[Running]:
    with running_supervisor() as running:
        yield running
