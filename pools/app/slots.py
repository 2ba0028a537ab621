"""Which app runs as which OS user. It is kept, so that what one app leaves behind is not found by another one that got its user.

An app has a user to itself as long as there are enough. Then those share whose spec asks for no secrets; one that asks for some never does.
"""

from __future__ import annotations

import asyncio
import json
import pathlib
import shutil
from collections import Counter

from apps.errors import StartError
from pools.app.launching import AsUser, Launcher


class Slots:
    """``file``: apps by name, each with the number of its user among the launcher's, and whether it is alone."""

    def __init__(self, file: pathlib.Path, launcher: Launcher) -> None:
        self._file = file
        self.launcher = launcher
        content = json.loads(file.read_text()) if file.exists() else {}
        count = len(launcher.users)
        self._apps: dict[str, int] = {name: number for name, number in content.get("apps", {}).items() if number < count}
        self._alone: set[str] = set(content.get("alone", ()))
        self._next: int = content.get("next", 0)

    def of(self, name: str, *, alone: bool, said: str) -> AsUser:
        """Its user. StartError where it must be alone, and none is free."""
        number = self._apps.get(name)
        if alone:
            self._alone.add(name)
        if number is None or (alone and Counter(self._apps.values())[number] > 1):
            self._apps.pop(name, None)
            number = self._apps[name] = self._free(name, alone=alone)
        self._keep()
        return AsUser(self.launcher, number, said)

    def forget(self, name: str) -> None:
        """There is no such app any more."""
        if self._apps.pop(name, None) is not None:
            self._alone.discard(name)
            self._keep()

    def _free(self, name: str, *, alone: bool) -> int:
        """One that no app has, the one that was had longest ago first; else the one of the fewest apps that may share."""
        count, taken = len(self.launcher.users), Counter(self._apps.values())
        for step in range(count):
            number = (self._next + step) % count
            if not taken[number]:
                self._next = (number + 1) % count
                return number
        shared = set(range(count)) - {self._apps[one] for one in self._alone if one in self._apps}
        if alone or not shared:
            self._alone.discard(name)
            raise StartError(
                f"an app with secrets runs as an OS user of its own, and all {count} are in use" if alone
                else f"all {count} OS users are those of apps with secrets", where=name, hint="bdc app delete an app that nobody needs",
            )  # fmt: skip
        return min(shared, key=lambda number: (taken[number], number))

    def _keep(self) -> None:
        half = self._file.with_suffix(".new")
        half.write_text(json.dumps({"apps": self._apps, "alone": sorted(self._alone), "next": self._next}))
        half.replace(self._file)


async def left_behind(scratch: pathlib.Path, slots: Slots | None) -> None:
    """Remove folders of workers, of whichever user; their group tells of which."""
    numbers = {gid: number for number, (_, gid) in enumerate(slots.launcher.users)} if slots is not None else {}
    for folder in scratch.glob("*/*"):
        number = numbers.get(folder.lstat().st_gid)
        if slots is not None and number is not None:
            await AsUser(slots.launcher, number, "").remove(folder)
    await asyncio.to_thread(shutil.rmtree, scratch, True)
