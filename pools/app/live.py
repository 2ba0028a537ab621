"""Which version is behind ``NAME@live``, and which gets a share of its calls while it is tried.

``<data>/live/NAME.json`` says it: written whole, before anything acts on it, so that what was answered with "switched" is so after a
restart too. A switch changes one entry of a table: calls under way end where they began.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
import os
import pathlib
import time
import weakref
from dataclasses import dataclass

from pools.app.errors import ConflictError, KeepError

LIVE = "live"
"""The alias; no version may be called so."""
REMEMBERED = 20
"""Versions that were live before."""
logger = logging.getLogger("live")


@dataclass(frozen=True)
class Share:
    """Of one app.

    live      the version that the alias means
    chosen    by somebody; False: it was the first that was ready
    before    those that were live before it, the last one last
    canary    the version that gets ``percent`` of the calls
    """

    live: str
    chosen: bool
    before: tuple[str, ...] = ()
    canary: str | None = None
    percent: int = 0
    since: float = dataclasses.field(default_factory=time.time)
    by: str = ""

    def of(self, version: str) -> int:
        """Percent of the calls that this version gets."""
        return self.percent if version == self.canary else 100 - self.percent if version == self.live else 0

    def promoted(self, version: str, by: str) -> Share:
        """``version`` is live; nothing is tried any more."""
        before = self.before if version == self.live else (*self.before, self.live)[-REMEMBERED:]
        return Share(version, True, before, by=by)

    def rolled_back(self, by: str) -> Share:
        """The version before is live. Only where there is one."""
        return Share(self.before[-1], True, self.before[:-1], by=by)

    def trying(self, version: str, percent: int, by: str) -> Share:
        """``version`` gets a share; 0: it gets none any more."""
        return dataclasses.replace(self, canary=version if percent else None, percent=percent, since=time.time(), by=by)

    def without(self, version: str) -> Share | None:
        """After that version is gone; None: nothing is live then."""
        if version == self.live:
            return None
        tried = (self.canary, self.percent) if self.canary != version else (None, 0)
        before: list[str] = []
        for one in self.before:  # A, B, A without B is A, not A, A
            if one != version and (not before or before[-1] != one):
                before.append(one)
        if before and before[-1] == self.live:
            before.pop()
        return dataclasses.replace(self, before=tuple(before), canary=tried[0], percent=tried[1])


def begun(share: Share | None, version: str, percent: int, by: str) -> Share | None:
    """When a version is ready for the first time; None: nothing changes. The first version of an app is live, since nothing else could be
    meant; ``percent``: what its spec asks for, which is not to be had while another version is tried."""
    if share is None:
        return Share(version, chosen=False, by=by)
    if percent == 100:
        return share.promoted(version, by)
    if percent and version != share.live and share.canary in (None, version):
        return share.trying(version, percent, by)
    return None


def spare(share: Share, name: str, version: str, there: list[str]) -> None:
    """ConflictError where calls would fail if it were deleted; ``there``: the versions of the app. Not for the only version, which nobody
    made live."""
    label, others = f"{name}@{version}", [one for one in there if one != version]
    if version == share.canary:
        raise ConflictError(
            f"{label} gets {share.percent} % of the calls of {name}@live", where=name, hint=f"first: bdc app canary {label} --percent 0"
        )
    if version == share.live and (others or share.chosen):
        hint = f"first: bdc app promote {name}@{others[0]}" if others else "with --live it is deleted all the same"
        raise ConflictError(f"{label} is live", where=name, hint=hint)


class Live:
    """Of all apps. One change of an app at a time: hold its ``lock``."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder
        self._shares: dict[str, Share] = {}
        self._turns: dict[str, int] = {}
        self._locks: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()

    def restore(self) -> None:
        """Files that can't be understood are told and left."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in sorted(self._folder.glob("*.json")):
            try:
                content = json.loads(path.read_text())
                self._shares[path.stem] = Share(**{**content, "before": tuple(content["before"])})
            except (OSError, ValueError, TypeError, KeyError) as error:
                logger.error("%s can't be read: %s", path, error)

    def lock(self, name: str) -> asyncio.Lock:
        """Of one app."""
        return self._locks.setdefault(name, asyncio.Lock())

    def share(self, name: str) -> Share | None:
        """None: no version of it was ever ready."""
        return self._shares.get(name)

    def percent(self, name: str, version: str) -> int:
        """Of the calls of ``NAME@live``."""
        share = self._shares.get(name)
        return share.of(version) if share is not None else 0

    def pick(self, name: str) -> tuple[str, str] | None:
        """The version whose turn it is, and the live one. Not by chance: of 100 calls in a row just ``percent`` are the canary's."""
        share = self._shares.get(name)
        if share is None:
            return None
        if share.canary is None:
            return share.live, share.live
        turn = self._turns.get(name, 0) + share.percent
        self._turns[name] = turn % 100
        return (share.canary if turn >= 100 else share.live), share.live

    async def keep(self, name: str, share: Share | None) -> None:
        """From now on, also after a restart; None: the app has no alias any more. KeepError: it can't be written, and is as before."""
        try:
            await asyncio.to_thread(self._write, name, share)
        except OSError as error:
            raise KeepError(
                f"what is live can't be written: {error.strerror}", where=f"{name}@{LIVE}", hint="free space on the cluster's disk"
            ) from None
        if share is None:
            self._shares.pop(name, None)
            self._turns.pop(name, None)
        else:
            self._shares[name] = share

    def _write(self, name: str, share: Share | None) -> None:
        path = self._folder / f"{name}.json"
        if share is None:
            path.unlink(missing_ok=True)
        else:
            half = path.with_suffix(".new")
            with half.open("w") as file:
                json.dump(dataclasses.asdict(share), file)
                file.flush()
                os.fsync(file.fileno())
            half.replace(path)
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
