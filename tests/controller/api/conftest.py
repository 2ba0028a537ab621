"""Cheap password hashes for the tests of the routes: what the real ones cost is measured in tests/controller/auth."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from controller.auth import passwords


@pytest.fixture(scope="package", autouse=True)
def cheap_hashes() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "N", 2**8)
        patch.setattr(passwords, "P", 1)
        passwords._nobody.cache_clear()
        yield
    passwords._nobody.cache_clear()
