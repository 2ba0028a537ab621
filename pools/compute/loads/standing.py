"""Was the master restored to an older state beside shards that have come further? docs/architecture/load-protocol.md, "An older master".

A shard tells up to which version it has published loads of a database; whoever asks the master for its clock after that must hear of a
later one, or the same. A master goes back only while it is down, so each shard is asked once for each start of the master (``server``),
by each replica; then nothing is asked any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import structlog

from pools.compute.errors import StatementError
from pools.compute.loads.shards import ShardAwayError, Shards
from virtualization.placement import Shard, Standing

log = structlog.get_logger()

NEWEST_SECONDS = 5.0
"""A shard that does not answer sooner is taken for one that is away."""

Ask = Callable[[], Awaitable[Mapping[str, Any]]]
"""``pool_snapshot``, at the master."""


class Standings:
    """Of one replica; lives on the event loop."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self._sure: dict[str, tuple[str, set[str]]] = {}
        """Database's identity → start of the master, identities of the shards that have been asked since."""

    async def of(self, state: Mapping[str, Any], shards: Iterable[Shard], ask: Ask) -> Standing:
        """``state``: an answer of the master with ``identity`` and ``server``. MasterAway."""
        identity, server = state["identity"], state["server"]
        known, sure = self._sure.get(identity, ("", set()))
        new = [shard for shard in shards if known != server or shard.id not in sure]
        if not new:
            return Standing()
        versions = await asyncio.gather(*(self._newest(shard, identity) for shard in new))
        now = await ask()  # after the shards: what they have published is decided
        newest, shard = max((version or -1, shard.number) for version, shard in zip(versions, new, strict=True))
        if now["identity"] == identity and now["snapshot"] < newest:
            log.error("the master is older than a shard", shard=shard, version=newest, clock=now["snapshot"])
            return Standing(behind=f"Shard {shard} has loads up to version {newest}, the master knows of versions up to {now['snapshot']}.")
        if now["identity"] == identity and now["server"] == server:
            known, sure = self._sure.get(identity, ("", set()))
            told = {shard.id for version, shard in zip(versions, new, strict=True) if version is not None and version >= 0}
            self._sure[identity] = (server, told | sure if known == server else told)
        return Standing(unsure=frozenset(shard.id for version, shard in zip(versions, new, strict=True) if version is None))

    async def _newest(self, shard: Shard, identity: str) -> int | None:
        """None: it does not answer. -1: it refuses (another folder), as it does every other ticket."""
        try:
            (row,) = await self._shards.act({"number": shard.number, "id": shard.id}, identity, "newest", {}, NEWEST_SECONDS)
        except ShardAwayError:
            return None
        except StatementError as error:
            log.warning("a shard does not tell how far it has come", shard=shard.number, why=error.message)
            return -1
        return int(row["version"])
