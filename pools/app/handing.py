"""Secrets and the versions that ask for them: another value reaches workers as an update does, and none that is needed is deleted."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from apps.errors import AppError
from apps.reading import load
from pools.app.errors import ConflictError
from pools.app.version import Version
from pools.app.versions import Versions

logger = logging.getLogger("handing")


class Handing:
    """Over the versions of one proxy."""

    def __init__(self, versions: Versions) -> None:
        self._versions = versions

    async def told(self, name: str) -> list[dict[str, object]]:
        """Each without its value, with the versions that ask for it; those that are asked for and not set too."""
        rows = {str(one["name"]): one for one in self._versions.secrets.told(name)}
        asking: dict[str, list[str]] = {one: [] for one in rows}
        for version, wanted in await self._asking(name):
            for one in wanted:
                asking.setdefault(one, []).append(version.kept.version)
        return [{"name": one, "since": None, "by": None, **rows.get(one, {}), "versions": asking[one]} for one in sorted(asking)]

    async def keep(self, name: str, secret: str, value: object, user: str) -> list[str]:
        """Another value; versions that ask for it are brought up with it beside the old workers: their labels. ConflictError, before
        anything is kept, while one of them is being changed."""
        asking = [version for version, wanted in await self._asking(name) if secret in wanted]
        for version in asking:
            if version.busy:
                hint = "wait until 'bdc app list' shows it Ready or Error"
                raise ConflictError(f"{version.kept.label} is being changed", where=name, hint=hint)
        self._versions.secrets.set(name, secret, value, user)
        logger.info("secret %s of %s set by %s", secret, name, user)
        for version in asking:
            version.log.say(f"{version.kept.label}: its secret {secret} was set by {user}")
            self._versions.again(version)
        return [version.kept.label for version in asking]

    async def drop(self, name: str, secret: str, user: str) -> None:
        """ConflictError while a version asks for it."""
        asking = [version.kept.label for version, wanted in await self._asking(name) if secret in wanted]
        if asking:
            hint = f"bdc app secret set {name} {secret} replaces it"
            raise ConflictError(f"{', '.join(asking)} asks for {secret}", where=name, hint=hint)
        self._versions.secrets.delete(name, secret)
        logger.info("secret %s of %s deleted by %s", secret, name, user)

    async def _asking(self, name: str) -> list[tuple[Version, tuple[str, ...]]]:
        """All versions of an app with the secrets of their specs; one that could not be started has its spec in its package."""
        found = []
        for version in [one for one in self._versions.all() if one.kept.name == name]:
            spec = version.spec
            with contextlib.suppress(AppError):
                spec = spec or (await asyncio.to_thread(load, self._versions.code(version)))[0]
            found.append((version, spec.secrets if spec is not None else ()))
        return found
