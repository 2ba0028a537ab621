"""One proxy per module; tests use apps of their own."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from controller.auth import passwords
from tests.pools.app.stand import Stand, stand


@pytest.fixture(scope="module", autouse=True)
def cheap_hashes() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "N", 2**8)
        patch.setattr(passwords, "P", 1)
        passwords._nobody.cache_clear()
        yield
    passwords._nobody.cache_clear()


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with stand(pathlib.Path(tmp_path_factory.mktemp("proxy"))) as found:
        yield found
