"""The master as the pool sees it, while there is none."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from types import SimpleNamespace

import pytest

from pools.compute import snapshot
from pools.compute.catalogs import Identity
from pools.compute.errors import StatementError
from pools.compute.master import Address, Followed, Master
from tests.services.postgresql import free_port


def test_a_catalog_that_was_never_read_is_not_an_empty_one() -> None:
    """Or tables of a database made or renamed a moment ago would be told not to exist, and good passwords to be wrong."""

    async def run() -> None:
        address = Address("127.0.0.1", free_port(), "secret")
        master = Master(address, str)  # type: ignore[arg-type]  # nothing is unsealed
        master._followed["new"] = Followed(address, "new", str, None)  # type: ignore[arg-type]
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


def test_the_state_is_not_older_than_the_catalog_that_belongs_to_it() -> None:
    """Or a table that was moved while the catalog was read would be looked for as of a state in which it was elsewhere: refused."""
    asked: list[str] = []

    async def run() -> int:
        followed = Followed(Address("127.0.0.1", free_port(), "secret"), "bdc", str, None)  # type: ignore[arg-type]
        followed.task.cancel()
        followed.catalog = replace(snapshot.empty("bdc"), virtual_tables=_Tables())  # type: ignore[arg-type]
        followed._raw = {"version": "1"}
        clock = itertools.count(1)

        async def ask(statement: str) -> list[tuple[object]]:
            asked.append(statement.removeprefix("SELECT bdc.pool_").removesuffix("()"))
            return [({"version": str(next(clock) // 2 + 1), "snapshot": len(asked), "pending": []},)]

        async def read() -> None:
            asked.append("catalog")
            followed._raw = {"version": "2"}

        async def connect() -> None: ...

        followed.link.ask, followed.link.connect, followed._read = ask, connect, read  # type: ignore[method-assign, assignment]
        state = await followed.confirm()  # version 1: the catalog that is known
        assert state is not None and asked == ["snapshot"]
        state = await followed.confirm()  # version 2, then the same again
        assert state is not None
        return state.snapshot

    assert asyncio.run(run()) == 4
    assert asked == ["snapshot", "snapshot", "catalog", "snapshot"]


def test_another_connection_may_lead_to_another_database_with_the_same_version() -> None:
    """One that was copied and renamed: the catalog of the first would have the pool read, or miss, the rows of the first."""
    asked: list[str] = []

    async def run() -> None:
        followed = Followed(Address("127.0.0.1", free_port(), "secret"), "bdc", str, None)  # type: ignore[arg-type]
        followed.task.cancel()
        followed.catalog = replace(snapshot.empty("bdc"), virtual_tables=_Tables())  # type: ignore[arg-type]
        followed._raw = {"version": "1", "snapshot": 7, "pending": []}

        async def ask(statement: str) -> list[tuple[object]]:
            asked.append(statement.removeprefix("SELECT bdc.pool_").removesuffix("()"))
            return [({"version": "1", "snapshot": 7, "pending": []},)]  # catalog and state, and all as before

        async def connect() -> None:
            followed.link.connections = 2

        followed.link.ask, followed.link.connect = ask, connect  # type: ignore[method-assign, assignment]
        await followed.confirm()
        await followed.confirm()

    asyncio.run(run())
    assert asked == ["snapshot", "catalog", "snapshot", "snapshot"]


class _Tables(dict[tuple[str, str], object]):
    """One table, of the data pool."""

    def values(self) -> list[object]:  # type: ignore[override]
        return [SimpleNamespace(data=object())]
