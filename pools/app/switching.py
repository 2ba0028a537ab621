"""``promote``, ``canary``, ``rollback``: each looks whether it can act, tries the version out, and only then changes what is live."""

from __future__ import annotations

from apps.errors import AppError
from pools.app.errors import ConflictError, RequestError
from pools.app.live import LIVE, Share
from pools.app.probing import probe
from pools.app.version import Version
from pools.app.versions import Versions


class Switching:
    """Of one proxy. Calls go on meanwhile, at the version that was live."""

    def __init__(self, versions: Versions) -> None:
        self._versions = versions
        self._live = versions.live

    async def promote(self, name: str, number: str, by: str) -> Version:
        """This version is live; ``live``: the one that is tried. ConflictError where it does not serve or fails its sample."""
        async with self._live.lock(name):
            share = self._live.share(name)
            if number == LIVE:
                number = self._tried(name, share)
            version = await self._fit(name, number)
            await self._live.keep(name, share.promoted(number, by) if share is not None else Share(number, True, by=by))
        version.log.say(f"{version.kept.label} is live, by {by}")
        return version

    async def canary(self, name: str, number: str, percent: int, by: str) -> Version:
        """This version gets so many of the calls; 0: none any more."""
        async with self._live.lock(name):
            version = self._versions.get(name, number)
            share, label = self._live.share(name), version.kept.label
            if share is None:
                raise ConflictError(f"no version of {name} is live yet", where=name, hint=f"bdc app promote {label}")
            if number in (LIVE, share.live):
                raise ConflictError(f"{label} is live: it gets what no other version gets", where=name, hint="name the version to try")
            if percent == 100:
                raise RequestError("percent must be from 0 to 99", where="percent", hint=f"bdc app promote {label}")
            if percent == 0 and share.canary != number:
                raise ConflictError(f"{label} gets no calls of {name}@live", where=name, hint="bdc app list")
            if share.canary not in (None, number):
                raise ConflictError(
                    f"{name}@{share.canary} is being tried with {share.percent} %", where=name,
                    hint=f"first bdc app promote {name}@{share.canary}, or bdc app canary {name}@{share.canary} --percent 0",
                )  # fmt: skip
            if percent:
                await self._fit(name, number)
            await self._live.keep(name, share.trying(number, percent, by))
        version.log.say(f"{label} gets {percent} % of the calls of {name}@live, by {by}")
        return version

    async def rollback(self, name: str, by: str) -> Version:
        """The version that was live before is live again, and nothing is tried."""
        async with self._live.lock(name):
            share = self._live.share(name)
            if share is None or not share.before:
                raise ConflictError(
                    f"no other version of {name} was live before" if share else f"no version of {name} is live",
                    where=name, hint=f"bdc app list -n {name} shows the versions, bdc app promote {name}@VERSION makes one live",
                )  # fmt: skip
            version = await self._fit(name, share.before[-1])
            await self._live.keep(name, share.rolled_back(by))
        version.log.say(f"{version.kept.label} is live again, by {by}")
        return version

    def _tried(self, name: str, share: Share | None) -> str:
        if share is None or share.canary is None:
            raise ConflictError(f"no version of {name} is being tried", where=name, hint=f"bdc app promote {name}@VERSION")
        return share.canary

    async def _fit(self, name: str, number: str) -> Version:
        """One that serves, and answered just now."""
        version = self._versions.get(name, number)
        label, workers, spec = version.kept.label, version.workers, version.spec
        if workers is None or spec is None or version.state != "Ready":
            raise ConflictError(
                f"{label} is not ready: {version.state}: {version.reason}", where=name,
                hint=f"bdc app logs {label} shows why; bdc app update puts another package in its place",
            )  # fmt: skip
        try:
            await probe(self._versions.code(version), spec, workers)
        except AppError as error:
            raise ConflictError(f"{label} was tried and failed: {error.message}", where=name, hint=f"bdc app logs {label}") from None
        return version
