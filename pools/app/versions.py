"""All versions: taken in, brought up one after the other, replaced, deleted; and brought up again after a restart of the proxy.

    WaitingforCreate → Creating → Ready | Error

What is kept of them on disk: ``folder``.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import pathlib
import shutil
import time
import uuid
from dataclasses import replace

from apps import package
from apps.errors import AppError
from apps.reading import load
from apps.running import Place, running
from apps.spec import AppSpec
from apps.worker.pool import Workers
from pools.app import sql_apps
from pools.app.around import Around
from pools.app.errors import ConflictError, KeepError, UnknownAppError
from pools.app.folder import Folder
from pools.app.live import LIVE, Live, begun, spare
from pools.app.pods import NoPodError, Pods
from pools.app.probing import probe
from pools.app.secret_store import Secrets
from pools.app.slots import left_behind
from pools.app.version import Kept, Version
from pools.app.where import Below, Elsewhere, Where

DELETE_SECONDS = 20.0
"""For so long calls under way hold up who deletes: less than clients wait for an answer."""
MOST_NAMED = 10
"""Versions, in a message."""
GIVEN_UP_SECONDS = 5.0
"""Within these a version that waited for a pod has noticed that it is not to come."""
logger = logging.getLogger("versions")


class Versions:
    """Of one proxy. Everything but files happens in its event loop."""

    def __init__(self, folder: pathlib.Path, around: Around) -> None:
        self._folder = Folder(folder)
        self._around = around
        self.pods = Pods(around.pods_key, self._folder.code, self._came, around.pods_seconds) if around.pods_key else None
        """None: they are below this process."""
        self._where: Where = Elsewhere(self.pods) if self.pods is not None else Below(folder, around.slots)
        self._known: dict[tuple[str, str], Version] = {}
        self.secrets = Secrets(folder / "secrets")
        self.live = Live(folder / "live")
        self._turns = asyncio.Semaphore(self._where.at_once)
        self._tasks: set[asyncio.Task[None]] = set()
        self._leaving: set[Workers] = set()

    def restore(self) -> None:
        """Bring up what there was. Files that can't be understood are told and left."""
        self._folder.lay()
        self._clear_scratch()
        self.live.restore()
        for kept in self._folder.kept():
            self._known[kept.name, kept.version] = self._folder.version(kept)
            self._where.restore(kept.code, self._folder.code(kept.code))
        for version in sorted(self.all(), key=lambda one: -self.live.percent(one.kept.name, one.kept.version)):  # live ones first
            self._begin(self._brought_up(version, version.kept))
        self._folder.remove_code(but={version.kept.code for version in self._known.values()})

    def _clear_scratch(self) -> None:
        """What workers left when this process was killed: some of it may only be removed as their users."""
        root = self._folder.root
        scratch = root / "scratch"
        if self._around.slots is not None and scratch.is_dir():
            left = root / f"left-{uuid.uuid4().hex}"
            scratch.rename(left)
        for left in root.glob("left-*"):
            self._begin(left_behind(left, self._around.slots))
        shutil.rmtree(scratch, ignore_errors=True)

    def all(self) -> list[Version]:
        """By name and version."""
        return sorted([*self._known.values()], key=lambda version: (version.kept.name, version.kept.version))

    def find(self, name: str, version: str) -> Version | None:
        """``version`` may be ``live``. None: there is none. Cheap."""
        if version == LIVE and (share := self.live.share(name)) is not None:
            version = share.live
        return self._known.get((name, version))

    def get(self, name: str, version: str) -> Version:
        """``version`` may be ``live``. UnknownAppError."""
        found = self.find(name, version)
        if found is None:
            raise self._unknown(name, version)
        return found

    def called(self, name: str, version: str) -> Version:
        """The one to call: of ``live`` the one whose turn it is, but none that can't serve. UnknownAppError."""
        if version != LIVE:
            return self.get(name, version)
        picked = self.live.pick(name)
        if picked is None:
            raise self._unknown(name, version)
        found = self._known.get((name, picked[0]))
        if found is None or found.workers is None:
            return self.get(name, picked[1])
        return found

    def code(self, version: Version) -> pathlib.Path:
        """Its unpacked package."""
        return self._folder.code(version.kept.code)

    async def _removed(self, code: str) -> None:
        """Nobody needs that package any more."""
        self._where.forget(code)
        await asyncio.to_thread(package.remove, self._folder.code(code))

    def _came(self, code: str) -> None:
        """A pod of a version that had given up waiting for one."""
        for version in self._known.values():
            if version.kept.code == code and version.workers is None and not version.busy:
                self.again(version)

    def _unknown(self, name: str, version: str) -> UnknownAppError:
        if version == LIVE and any(name == one for one, _ in self._known):
            return UnknownAppError(f"no version of {name} is live", where=name, hint=f"bdc app promote {name}@VERSION; bdc app list")
        others = [f"{name}@{one}" for app, one in sorted(self._known) if app == name]
        hint = f"there are {', '.join(others[:MOST_NAMED])}; bdc app list" if others else "bdc app list"
        return UnknownAppError(f"there is no app {name[:60]}@{version[:60]}", where=name[:60], hint=hint)

    async def take(self, archive: bytes, user: str, *, update: bool) -> Version:
        """A new version, or with ``update`` another package for one that is there: it answers with the old one until the new one is ready.
        AppError where the package is none; ConflictError, UnknownAppError."""
        code = uuid.uuid4().hex
        place = self._folder.code(code)
        try:
            digest = await asyncio.to_thread(package.unpack, archive, place, closed=self._around.closed)
            spec, _ = await asyncio.to_thread(load, place)
            self._handed(spec)
            kept = Kept(spec.name, spec.version, digest, code, time.time(), user, spec.traffic)
            version = self._admit(kept, update=update)
            if version.workers is not None:
                kept = replace(kept, wish=0)  # a version that served has what people have given it since
        except BaseException:
            await asyncio.to_thread(package.remove, place)
            raise
        version.log.say(f"{kept.label}: {'updated' if update else 'created'} by {user}, package {digest}")
        self._begin(self._brought_up(version, kept, fresh=True))
        return version

    def _admit(self, kept: Kept, *, update: bool) -> Version:
        """No await in here: of two at once, one is first."""
        key = (kept.name, kept.version)
        there = self._known.get(key)
        if there is None and update:
            raise UnknownAppError(f"there is no app {kept.label}", where=kept.name, hint="bdc app create")
        if there is not None and not update:
            raise ConflictError(f"{kept.label} exists already", where=kept.name, hint="another version in spec.yaml; or bdc app update")
        if there is not None and there.busy:
            raise ConflictError(f"{kept.label} is being changed", where=kept.name, hint="wait until 'bdc app list' shows it Ready or Error")
        if there is None:
            there = self._known[key] = self._folder.version(kept)
            self._folder.keep(kept)
        there.busy = True
        return there

    async def delete(self, name: str, version: str, *, live: bool = False) -> None:
        """Calls under way end; then nothing of it is left. One that waits for its first pod waits no longer. UnknownAppError; ConflictError
        while it is being brought up and, unless ``live``, while it gets calls of the alias (but not for the only version of an app, which
        nobody made live)."""
        async with self.live.lock(name):
            if version == LIVE:
                raise ConflictError(f"{name}@live is whatever version is live", where=name, hint="name the version itself; bdc app list")
            found = self.get(name, version)
            if found.busy and self.pods is not None and found.workers is None:
                self.pods.give_up(found.kept.code)
                await self._settled(found)
            if found.busy:
                raise ConflictError(
                    f"{found.kept.label} is being changed", where=name, hint="wait until 'bdc app list' shows it Ready or Error"
                )
            share = self.live.share(name)
            if share is not None:
                if not live:
                    spare(share, name, version, [one for app, one in self._known if app == name])
                if (left := share.without(version)) != share:
                    await self.live.keep(name, left)
            del self._known[name, version]
            self._folder.remove(found.kept.label)
        if found.workers is not None:
            await found.workers.close(max(self._around.drain_seconds, min(2 * found.workers.timeout, DELETE_SECONDS)))
        await self._removed(found.kept.code)
        if all(app != name for app, _ in self._known):
            self.secrets.forget(name)
            if self._around.slots is not None:
                self._around.slots.forget(name)
        found.log.remove()
        found.history.remove()
        (found.predictions or self._folder.predictions(found.kept.label)).remove()

    async def _settled(self, version: Version) -> None:
        """Or soon so."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GIVEN_UP_SECONDS):
                while version.busy:
                    await asyncio.sleep(0.02)

    def again(self, version: Version) -> None:
        """Bring it up anew with its own package, beside what runs of it: something else that its workers get has changed."""
        version.busy = True
        self._begin(self._brought_up(version, version.kept, fresh=version.workers is not None))

    async def close(self) -> None:
        """End all workers; the apps stay."""
        for version in self._known.values():
            if version.predictions is not None:
                version.predictions.flush()
        for task in [*self._tasks]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        running_ones = [version.workers for version in self._known.values() if version.workers is not None]
        await asyncio.gather(*(workers.close(self._around.drain_seconds) for workers in [*running_ones, *self._leaving]))

    def _begin(self, work: object) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)  # type: ignore[arg-type] # a coroutine of ours
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _brought_up(self, version: Version, kept: Kept, *, fresh: bool = False) -> None:
        """From waiting to ``Ready`` or ``Error``; what served before serves until then, and goes on if this fails. ``fresh``: the package
        was sent just now, so it is tried with its sample first."""
        version.busy = True
        try:
            async with self._turns:
                version.turn("Creating" if version.workers is None else "Ready", self._where.begun)
                await self._switched(version, kept, fresh=fresh)
            if fresh or version.kept.wish:
                await self._shared(version)
        except AppError as error:
            if version.workers is not None:
                version.turn("Ready", f"the update was refused, the version before it serves: {error.message}")
                if kept.code != version.kept.code:
                    await self._removed(kept.code)
            else:
                await self._replaced(version, kept)
                if not isinstance(error, NoPodError):  # one that comes later is welcome
                    self._where.forget(kept.code)
                version.turn("Error", error.message)
        except Exception:
            logger.exception("%s can't be brought up", kept.label)
            version.turn("Error", "a defect of the app proxy; its log has it: bdc logs app-proxy")
        finally:
            version.busy = False

    async def _switched(self, version: Version, kept: Kept, *, fresh: bool) -> None:
        place = Place(
            code=self._folder.code(kept.code),
            scratch=self._folder.scratch(),
            environments=self._where.environments,
            marks=self._around.marks,
            processes=self._around.processes,
            written=version.log.write,
            spawner=lambda spec: self._where.spawner(spec, kept.code, version.log),
            secrets=self._handed,
        )
        spec, workers = await running(place)
        if fresh:
            try:
                await probe(place.code, spec, workers)
            except BaseException:
                await workers.close()
                raise
        before, version.workers, version.spec = version.workers, workers, spec
        version.predictions = (version.predictions or self._folder.predictions(kept.label)) if spec.prediction_log else None
        await self._replaced(version, kept, before)
        version.turn("Ready", "serves")

    def _handed(self, spec: AppSpec) -> dict[str, str]:
        """What its workers are told as variables. MissingSecretError; SpecError for a query that can't log in."""
        sql_apps.check(spec, self._around.sql)
        return {**self.secrets.of(spec.name, spec.secrets), **sql_apps.variables(spec, self._around.sql, self._around.sql_tls)}

    async def _shared(self, version: Version) -> None:
        """Of the calls of the alias it gets what it is to have."""
        name, number, wish = version.kept.name, version.kept.version, version.kept.wish
        async with self.live.lock(name):
            if (name, number) not in self._known:
                return
            share = begun(self.live.share(name), number, wish, version.kept.created_by)
            try:
                if share is not None:
                    await self.live.keep(name, share)
                elif wish:
                    version.turn("Ready", f"serves; its traffic ({wish} %) can't be given: another version is being tried")
                if wish:
                    version.kept = replace(version.kept, wish=0)
                    self._folder.keep(version.kept)
            except (KeepError, OSError) as error:
                version.turn("Ready", f"serves, but not as {name}@live: {error}")

    async def _replaced(self, version: Version, kept: Kept, before: Workers | None = None) -> None:
        """The new package is the version's; the old one goes once what runs of it (``before``) has ended its calls."""
        old, version.kept = version.kept, kept
        self._folder.keep(kept)
        if before is not None:
            self._begin(self._left(before, old.code if old.code != kept.code else None))
        elif old.code != kept.code:
            await self._removed(old.code)

    async def _left(self, workers: Workers, code: str | None) -> None:
        self._leaving.add(workers)
        await workers.close(max(self._around.drain_seconds, 2 * workers.timeout))  # a call may have waited as long as it takes
        self._leaving.discard(workers)
        if code is not None:
            await self._removed(code)
