"""Which files this process touches: Python's audit events, so that a test can say "nothing outside of its folder"."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

EVENTS = ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", "os.chown", "os.listdir", "os.scandir", "os.truncate",
          "os.link", "os.symlink", "shutil.rmtree", "shutil.copyfile", "shutil.move")  # fmt: skip
CHECKOUT = str(Path(__file__).parents[1])
HARMLESS = (*sysconfig.get_paths().values(), *(place for place in sys.path if len(place) > 1), CHECKOUT, sys.prefix, "/dev/", "/proc/")
"""Where modules are imported from, and the kernel's own."""

_watching: list[set[str]] = []


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if not _watching or event not in EVENTS:
        return
    for given in arguments[:2] if event in ("os.rename", "os.link", "shutil.copyfile", "shutil.move") else arguments[:1]:
        if isinstance(given, (str, bytes, os.PathLike)):
            path = os.path.abspath(os.fsdecode(given))  # noqa: PTH100 - pathlib would ask the disk
            if not path.startswith(HARMLESS):
                _watching[-1].add(path)


sys.addaudithook(_hook)


@contextmanager
def touched() -> Iterator[set[str]]:
    """Absolute paths that were opened, listed or changed inside the block, but for imports."""
    found: set[str] = set()
    _watching.append(found)
    try:
        yield found
    finally:
        _watching.remove(found)


def outside(paths: set[str], *folders: Path) -> set[str]:
    """Those of ``paths`` that lie in none of ``folders`` and are none of them."""
    return {path for path in paths if not any(Path(path).is_relative_to(folder) for folder in folders)}
