"""The master as the pool sees it, while there is none."""

from __future__ import annotations

import asyncio

import pytest

from pools.compute.catalogs import Identity
from pools.compute.errors import StatementError
from pools.compute.master import Address, Followed, Master
from tests.services.postgresql import free_port


def test_a_catalog_that_was_never_read_is_not_an_empty_one() -> None:
    """Or tables of a database made or renamed a moment ago would be told not to exist, and good passwords to be wrong."""

    async def run() -> None:
        address = Address("127.0.0.1", free_port(), "secret")
        master = Master(address, str)  # type: ignore[arg-type]  # nothing is unsealed
        master._followed["new"] = Followed(address, "new", str)  # type: ignore[arg-type]
        try:
            with pytest.raises(StatementError) as refused:
                await master.refresh("new")
            assert refused.value.code == "57P03" and '"new"' in refused.value.message
            with pytest.raises(StatementError) as refused:
                await master.verifier(Identity("alice", "new", mapping=False))
            assert refused.value.code == "57P03"  # nobody has looked at the password
        finally:
            await master.stop()

    asyncio.run(run())
