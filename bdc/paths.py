"""Paths of HDFS as users write them: checked, normalised, and matched against patterns."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable

from bdc.errors import InvalidNameError

PREFIX = "hdfs:"
_MAGIC = frozenset("*?[")


def is_remote(text: str) -> bool:
    """Whether a copy's side is in HDFS: it carries the prefix ``hdfs:``."""
    return text.startswith(PREFIX)


def remote_path(text: str) -> str:
    """``text`` (with or without ``hdfs:`` or ``hdfs://``) as an absolute path without ``.`` and double slashes; InvalidNameError.

    ``..`` is refused rather than resolved: what a path means must not depend on folders between. An authority (``hdfs://host/…``)
    is refused, because the path would go to the context's cluster whatever it says.
    """
    path = text.removeprefix(PREFIX)
    if path.startswith("//"):
        if not path.startswith("///") and text.startswith(PREFIX):
            raise InvalidNameError(
                f"{text!r} names a host", hint=f"write the path alone; the cluster is the context's: {PREFIX}/folder/file"
            )
        path = "/" + path.lstrip("/")
    if not path.startswith("/"):
        raise InvalidNameError(f"{text!r} is not an absolute path of HDFS", hint=f"write {PREFIX}/{path.lstrip('/') or 'folder/file'}")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise InvalidNameError(f"{text!r} holds '..'", why="a path of HDFS is taken as it is written", hint="write the path without '..'")
    if any(ord(character) < 32 or ord(character) == 127 for character in path):
        raise InvalidNameError(f"{text!r} holds control characters")
    if any(":" in part for part in parts):
        raise InvalidNameError(f"{text!r} holds ':'", why="HDFS allows no ':' in names")
    return "/" + "/".join(parts)


def join(folder: str, name: str) -> str:
    """The path of ``name`` in ``folder``; InvalidNameError when ``name`` is no plain name (it may come from a server or a disk)."""
    if not name or name in (".", "..") or "/" in name:
        raise InvalidNameError(f"{name!r} is not a file name", where=folder)
    return f"{folder.rstrip('/')}/{name}"


def parent(path: str) -> str:
    """The folder that ``path`` is in; the root is its own."""
    return path.rpartition("/")[0] or "/"


def base_name(path: str) -> str:
    """The last part; empty for the root."""
    return path.rpartition("/")[2]


def has_magic(text: str) -> bool:
    """Whether a path holds a pattern (``*``, ``?``, ``[…]``)."""
    return not _MAGIC.isdisjoint(text)


def expand(pattern: str, names_in: Callable[[str], Iterable[str]]) -> list[str]:
    """The existing paths that match ``pattern``, sorted. ``names_in(folder)``: the names in a folder, empty when there is none.

    Patterns don't cross ``/``; names that start with a dot are matched only by a pattern that starts with one, as in a shell.
    """
    found = [""]
    for part in pattern.strip("/").split("/"):
        if not has_magic(part):
            found = [f"{folder}/{part}" for folder in found]
            continue
        found = [
            join(folder, name)
            for folder in found
            for name in sorted(names_in(folder or "/"))
            if fnmatch.fnmatchcase(name, part) and (part.startswith(".") or not name.startswith("."))
        ]
    return found
