"""Was the master restored to an older state beside shards that have come further? docs/architecture/load-protocol.md, "An older master".

A shard tells up to which version it has published loads of a database; whoever asks the master for its clock after that must hear of a
later one, or the same. A master goes back only while it is down, so each shard is asked once for each start of the master (``server``),
by each replica; then nothing is asked any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog

from pools.compute.errors import StatementError
from pools.compute.loads.shards import Shards
from virtualization.placement import Standing

log = structlog.get_logger()

Ask = Callable[[], Awaitable[Mapping[str, Any]]]
"""``pool_snapshot``, at the master."""


class Standings:
    """Of one replica; lives on the event loop."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self._sure: dict[str, tuple[str, set[int]]] = {}
        """Database's identity → start of the master, numbers of the shards that have been asked since."""

    async def of(self, state: Mapping[str, Any], ask: Ask) -> Standing:
        """``state``: an answer of the master with ``identity`` and ``server``. All shards of the pool count: a table that the older master
        does not know lies on some, and a decision would hide that this master is older from those that are asked later. MasterAway."""
        identity, server = state["identity"], state["server"]
        known, sure = self._sure.get(identity, ("", set()))
        new = [number for number in self._shards.addresses if known != server or number not in sure]
        if not new:
            return Standing()
        versions = dict(zip(new, await asyncio.gather(*(self._newest(number, identity) for number in new)), strict=True))
        now = await ask()  # after the shards: what they have published is decided
        if (now["identity"], now["server"]) != (identity, server):
            return Standing(unsure=frozenset(new))
        newest, shard = max((version or 0, number) for number, version in versions.items())
        if now["snapshot"] < newest:
            log.error("the master is older than a shard", shard=shard, version=newest, clock=now["snapshot"])
            return Standing(behind=f"Shard {shard} has loads up to version {newest}, the master knows of versions up to {now['snapshot']}.")
        known, sure = self._sure.get(identity, ("", set()))  # others may have asked meanwhile
        told = {number for number, version in versions.items() if version is not None}
        self._sure[identity] = (server, told | (sure if known == server else set()))
        return Standing(unsure=frozenset(new) - told)

    async def _newest(self, number: int, identity: str) -> int | None:
        """None: it does not answer."""
        try:
            return int((await self._shards.hello(number, identity))["newest"])
        except StatementError as error:
            log.warning("a shard does not tell how far it has come", shard=number, why=error.message)
            return None
