"""Where a version's workers are: below the proxy, on one machine, or in pods of the version's own."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Protocol

from apps.environments import Environments
from apps.errors import AppError
from apps.reading import load
from apps.spec import AppSpec
from apps.worker.spawning import OwnChildren, Spawner
from pools.app.log import AppLog
from pools.app.pods import InPod, Pods
from pools.app.slots import Slots
from pools.app.wanted import Wanted


class Where(Protocol):
    """``environments``: those that are kept here; None: they are where the workers are. ``at_once``: so many versions are brought up.
    ``begun``: what is said of one meanwhile."""

    environments: Environments | None
    at_once: int
    begun: str

    def spawner(self, spec: AppSpec, code: str, log: AppLog) -> Spawner:
        """For the package ``code``. StartError."""
        ...

    def restore(self, code: str, folder: Path) -> None:
        """After a restart of the proxy, before anybody asks: that package, which lies in ``folder``, is a version's."""
        ...

    def forget(self, code: str) -> None:
        """Nothing of that package runs any more."""
        ...


class Below:
    """Processes of this machine, each app as an OS user of its own where there are some (``slots``)."""

    at_once = 2
    begun = "its environment is made and its workers start"

    def __init__(self, folder: Path, slots: Slots | None) -> None:
        self._folder = folder
        self._slots = slots
        self.environments: Environments | None = Environments(folder / "environments", shared=slots is not None)

    def spawner(self, spec: AppSpec, code: str, _log: AppLog) -> Spawner:
        """The app's OS user, which may read its code from now on."""
        if self._slots is None:
            return OwnChildren()
        user = self._slots.of(spec.name, alone=bool(spec.secrets), said=spec.label)
        user.show(self._folder / "code" / code)
        return user

    def restore(self, code: str, folder: Path) -> None:
        """Nothing is left of it."""

    def forget(self, code: str) -> None:
        """They ended with their workers."""


class Elsewhere:
    """Pods: wanted from here, made by the controller."""

    environments: Environments | None = None
    at_once = 1000  # whatever takes time does so in the pods
    begun = "its pods are made, its environment in them, and its workers start"

    def __init__(self, pods: Pods) -> None:
        self._pods = pods

    def spawner(self, spec: AppSpec, code: str, log: AppLog) -> Spawner:
        """Pods for it are wanted from now on."""
        self._want(spec, code)
        return InPod(self._pods, code, log.write)

    def restore(self, code: str, folder: Path) -> None:
        """Its pods run on meanwhile: they are wanted before the controller asks."""
        with contextlib.suppress(AppError):
            self._want(load(folder)[0], code)

    def _want(self, spec: AppSpec, code: str) -> None:
        resources = spec.resources
        self._pods.want(Wanted(code, spec.label, spec.replicas, spec.poolsize, resources.memory_mb, resources.threads, spec.timeout))

    def forget(self, code: str) -> None:
        """Its pods go."""
        self._pods.forget(code)
