"""The proxy's folder, as far as versions lie in it.

``versions/NAME@VERSION.json`` says what there is; ``code/ID`` holds an unpacked package, which nobody writes to.
"""

from __future__ import annotations

import json
import logging
import os
import pathlib
import uuid
from collections.abc import Collection, Iterator

from apps import package
from pools.app.history import History
from pools.app.log import AppLog
from pools.app.predictions import Predictions
from pools.app.version import Kept, Version

logger = logging.getLogger("versions")


class Folder:
    """Below ``root``."""

    def __init__(self, root: pathlib.Path) -> None:
        self.root = root

    def lay(self) -> None:
        """Whatever is missing."""
        for inner in ("versions", "code", "logs"):
            (self.root / inner).mkdir(mode=0o700, parents=True, exist_ok=True)

    def kept(self) -> Iterator[Kept]:
        """What there is, by name. Files that can't be understood are told and left."""
        for path in sorted((self.root / "versions").glob("*.json")):
            try:
                yield Kept(**json.loads(path.read_text()))
            except (OSError, ValueError, TypeError) as error:
                logger.error("%s can't be read: %s", path, error)

    def keep(self, kept: Kept) -> None:
        """Whole, and synced."""
        path = self._file(kept.label)
        half = path.with_suffix(".new")
        with half.open("w") as file:
            json.dump(kept.json(), file)
            file.flush()
            os.fsync(file.fileno())
        half.replace(path)

    def remove(self, label: str) -> None:
        """There is no such version any more."""
        self._file(label).unlink(missing_ok=True)

    def code(self, code: str) -> pathlib.Path:
        """Of an unpacked package."""
        return self.root / "code" / code

    def remove_code(self, but: Collection[str]) -> None:
        """All packages that nobody names."""
        for folder in (self.root / "code").iterdir():
            if folder.name not in but:
                package.remove(folder)

    def scratch(self) -> pathlib.Path:
        """A new one."""
        return self.root / "scratch" / uuid.uuid4().hex

    def version(self, kept: Kept) -> Version:
        """With its log and its history."""
        return Version(kept, AppLog(self.root / "logs" / f"{kept.label}.log"), History(self.root / "history", kept.label))

    def predictions(self, label: str) -> Predictions:
        """The prediction log."""
        return Predictions(self.root / "predictions" / f"{label}.jsonl")

    def _file(self, label: str) -> pathlib.Path:
        return self.root / "versions" / f"{label}.json"
