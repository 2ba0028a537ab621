"""A table that is dropped while there are loads into it: they end, and nothing else does."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from pools.compute.errors import StatementError
from pools.compute.loads import claims
from pools.compute.loads.coordinator import Coordinator, Load
from pools.compute.loads.ledger import Ledgers
from pools.compute.loads.shards import Shards
from pools.compute.loads.sweep import Sweeper
from pools.compute.master import Address
from pools.tickets import Signer, make_private_key

GONE = {"id": "t", "generation": 1, "schema_version": 1, "mode": "append"}
"""What the master still tells of a load's table that does not exist any more."""

KEPT = {**GONE, "id": "u", "columns": [], "key": [], "shards": [{"number": 1, "id": "s"}], "distribution": {"kind": "hash"}}


class Asked(Shards):
    """A stand-in that answers everything and remembers it."""

    def __init__(self) -> None:
        super().__init__((), Signer(make_private_key()))
        self.calls: list[tuple[int, str]] = []

    async def act(
        self, shard: Mapping[str, Any], database: str, action: str, body: Mapping[str, Any], seconds: float = 60
    ) -> list[dict[str, Any]]:
        self.calls.append((shard["number"], action))
        return [{}]


def coordinator() -> tuple[Coordinator, Asked]:
    shards = Asked()
    return Coordinator(Ledgers(Address("127.0.0.1", 1, "", "test")), shards), shards


def test_only_tables_that_are_there_have_shards() -> None:
    assert list(claims.shards_of([GONE, KEPT])) == [1]
    assert claims.rows_of(GONE, [(0, 0, {1: 5})]) == 5


def test_an_aborted_load_into_it_is_done_with() -> None:
    found, shards = coordinator()
    sweeper = Sweeper(found)
    load = {"load": "l", "identity": "i", "state": "aborted", "tables": [GONE, KEPT]}
    assert asyncio.run(sweeper._aborted_everywhere(load)) is True
    assert shards.calls == [(1, "abort")]


def test_it_can_not_be_committed() -> None:
    found, shards = coordinator()
    with pytest.raises(StatementError, match="was dropped during the load") as refused:
        asyncio.run(found._seal(Load("l", "open", "i", (GONE, KEPT)), {"t": [(0, 0, {1: 5})]}))
    assert refused.value.code == "42P01" and shards.calls == []
