"""A namespace for the tests that only look."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.controller.kubernetes.conftest import Place, own_namespace
from tests.services.kubernetes import ControlPlane


@pytest.fixture(scope="module")
def space(definition: ControlPlane) -> Iterator[Place]:
    with own_namespace(definition) as found:
        yield found
