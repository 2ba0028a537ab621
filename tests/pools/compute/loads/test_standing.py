"""Shards are asked how far they have come, once for each start of the master, and the master after them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from pools.compute.errors import StatementError
from pools.compute.loads.shards import ShardAwayError
from pools.compute.loads.standing import Standings
from virtualization.placement import Shard, Standing

SHARDS = [Shard(0, "a"), Shard(1, "b")]


class StandIn:
    """Shards (version, or the error) and master, with what they were asked, in its order."""

    def __init__(self, **versions: int | StatementError) -> None:
        self.versions = versions
        self.clock, self.server, self.identity = 10, "monday", "i"
        self.asked: list[str] = []

    async def act(
        self, shard: Mapping[str, Any], database: str, action: str, body: Mapping[str, Any], seconds: float
    ) -> list[dict[str, Any]]:
        self.asked.append(shard["id"])
        found = self.versions[shard["id"]]
        if isinstance(found, StatementError):
            raise found
        return [{"version": found}]

    async def snapshot(self) -> Mapping[str, Any]:
        self.asked.append("master")
        return {"identity": self.identity, "server": self.server, "snapshot": self.clock}


def ask(stand_in: StandIn, standings: Standings, server: str = "monday") -> Standing:
    return asyncio.run(standings.of({"identity": "i", "server": server}, SHARDS, stand_in.snapshot))


def made(**versions: int | StatementError) -> tuple[StandIn, Standings]:
    stand_in = StandIn(**versions)
    return stand_in, Standings(stand_in)  # type: ignore[arg-type]


def test_once_for_each_start_of_the_master_and_the_master_last() -> None:
    stand_in, standings = made(a=10, b=0)
    assert [ask(stand_in, standings) for _ in range(3)] == [Standing()] * 3
    assert stand_in.asked == ["a", "b", "master"]
    stand_in.server = "tuesday"
    assert [ask(stand_in, standings, "tuesday") for _ in range(3)] == [Standing()] * 3
    assert stand_in.asked == ["a", "b", "master"] * 2


def test_a_master_that_knows_less_is_behind_until_it_knows_as_much() -> None:
    stand_in, standings = made(a=10, b=11)
    for _ in range(2):
        assert ask(stand_in, standings).behind == "Shard 1 has loads up to version 11, the master knows of versions up to 10."
    stand_in.clock = 11
    assert ask(stand_in, standings) == Standing()


def test_a_shard_that_is_away_is_not_read_and_asked_when_it_is_back() -> None:
    stand_in, standings = made(a=10, b=ShardAwayError(1, "refused"))
    assert ask(stand_in, standings) == Standing(unsure=frozenset("b"))
    stand_in.versions["b"] = 11
    assert ask(stand_in, standings).behind
    stand_in.versions["b"] = 9
    assert ask(stand_in, standings) == Standing()
    assert stand_in.asked.count("a") == 1


def test_a_shard_that_refuses_says_so_itself() -> None:
    stand_in, standings = made(a=10, b=StatementError("55000", "another folder"))
    assert ask(stand_in, standings) == ask(stand_in, standings) == Standing()
    assert stand_in.asked.count("b") == 2


@pytest.mark.parametrize("changed", [{"server": "tuesday"}, {"identity": "another"}])
def test_a_master_that_changes_meanwhile_is_asked_about_again(changed: dict[str, str]) -> None:
    stand_in, standings = made(a=10, b=10)
    vars(stand_in).update(changed)
    ask(stand_in, standings)
    ask(stand_in, standings)
    assert stand_in.asked == ["a", "b", "master"] * 2
