"""Shards are asked how far they have come, once for each start of the master, and the master after them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from pools.compute.errors import StatementError
from pools.compute.loads.shards import ShardAwayError
from pools.compute.loads.standing import Standings
from virtualization.placement import Standing


class StandIn:
    """Shards (version, or the error) and master, with what they were asked, in its order."""

    def __init__(self, *versions: int | StatementError) -> None:
        self.addresses = dict(enumerate(versions))
        self.clock, self.server, self.identity = 10, "monday", "i"
        self.asked: list[int | str] = []

    async def hello(self, number: int, database: str) -> dict[str, Any]:
        self.asked.append(number)
        found = self.addresses[number]
        if isinstance(found, StatementError):
            raise found
        return {"shard": "any", "newest": found}

    async def snapshot(self) -> Mapping[str, Any]:
        self.asked.append("master")
        return {"identity": self.identity, "server": self.server, "snapshot": self.clock}


def ask(stand_in: StandIn, standings: Standings, server: str = "monday") -> Standing:
    return asyncio.run(standings.of({"identity": "i", "server": server}, stand_in.snapshot))


def made(*versions: int | StatementError) -> tuple[StandIn, Standings]:
    stand_in = StandIn(*versions)
    return stand_in, Standings(stand_in)  # type: ignore[arg-type]


def test_once_for_each_start_of_the_master_and_the_master_last() -> None:
    stand_in, standings = made(10, 0)
    assert [ask(stand_in, standings) for _ in range(3)] == [Standing()] * 3
    assert stand_in.asked == [0, 1, "master"]
    stand_in.server = "tuesday"
    assert [ask(stand_in, standings, "tuesday") for _ in range(3)] == [Standing()] * 3
    assert stand_in.asked == [0, 1, "master"] * 2


def test_a_master_that_knows_less_is_behind_until_it_knows_as_much() -> None:
    stand_in, standings = made(10, 11)
    for _ in range(2):
        assert ask(stand_in, standings).behind == "Shard 1 has loads up to version 11, the master knows of versions up to 10."
    stand_in.clock = 11
    assert ask(stand_in, standings) == Standing()


def test_a_shard_that_is_away_is_not_read_and_asked_when_it_is_back() -> None:
    stand_in, standings = made(10, ShardAwayError(1, "refused"))
    assert ask(stand_in, standings) == Standing(unsure=frozenset([1]))
    stand_in.addresses[1] = 11
    assert ask(stand_in, standings).behind
    stand_in.addresses[1] = 9
    assert ask(stand_in, standings) == Standing()
    assert stand_in.asked.count(0) == 1


@pytest.mark.parametrize("changed", [{"server": "tuesday"}, {"identity": "another"}])
def test_a_master_that_changes_meanwhile_is_asked_about_again(changed: dict[str, str]) -> None:
    stand_in, standings = made(10, 11)
    vars(stand_in).update(changed)
    assert [ask(stand_in, standings) for _ in range(2)] == [Standing(unsure=frozenset([0, 1]))] * 2
