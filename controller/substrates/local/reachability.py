"""Whether the pools' OS users can reach a folder or program: found out before anything starts, named by the folder that stops them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from controller.errors import RequestError


class UnreachableError(RequestError):
    """A pool's user can't reach a folder or a program."""

    code = "not_reachable"


def first_barrier(path: Path, uid: int, gid: int) -> Path | None:
    """The first folder from the root that ``uid`` may not pass, or ``path`` itself when it may not read it; None when all is open.

    By mode bits: access lists can only be tried by the user itself, which the supervisor does.
    """
    resolved = path.resolve()
    for folder in reversed(resolved.parents):
        if not _may(folder, uid, gid, stat.S_IXOTH):
            return folder
    wanted = stat.S_IXOTH | stat.S_IROTH if resolved.is_dir() or os.access(resolved, os.X_OK) else stat.S_IROTH
    return None if _may(resolved, uid, gid, wanted) else resolved


def check_reachable(paths: dict[str, Path], uid: int, gid: int, user: str) -> None:
    """UnreachableError for the first of ``paths`` (what it is → where) that the user can't reach, with the command that opens it."""
    for what, path in paths.items():
        barrier = first_barrier(path, uid, gid)
        if barrier is not None:
            mode = stat.S_IMODE(barrier.stat().st_mode)
            raise UnreachableError(
                f"{what} ({path}) can't be reached by the OS user {user}: {barrier} (mode {mode:04o}) stops it",
                where=str(barrier),
                hint=f"chmod o+rx {barrier}; or put it where every user can read; or create the cluster as a plain user",
            )


def check_creatable(folder: Path) -> None:
    """UnreachableError when we ourselves can't make ``folder``: names the existing parent that refuses."""
    parent = folder
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir():
        raise UnreachableError(f"{folder} can't be made: {parent} is no folder", where=str(parent), hint="set BDC_HOME to another folder")
    if not os.access(parent, os.W_OK | os.X_OK) or _read_only(parent):
        raise UnreachableError(
            f"{folder} can't be made: {parent} is not writable for {_me()}",
            where=str(parent),
            hint="set BDC_HOME to a folder of your own, or start this as the owner of that folder",
        )


def _read_only(folder: Path) -> bool:
    return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)


def _me() -> str:
    return f"uid {os.geteuid()}"


def _may(path: Path, uid: int, gid: int, wanted: int) -> bool:
    """``wanted``: bits of the *others* triple; shifted to the owner's or the group's where the user is that."""
    found = path.stat()
    shift = 6 if found.st_uid == uid else 3 if found.st_gid == gid else 0
    return found.st_mode & (wanted << shift) == wanted << shift
