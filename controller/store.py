"""The controller's store: a few small JSON documents by name. On one machine a folder of files (here), on Kubernetes a Secret
(``controller.kubernetes.store``).

A file is replaced as a whole (written beside, fsync, rename, fsync of the folder), so a reader sees the old or the new one and a power
cut leaves one of them. Writers that read first (``update``) hold a lock on the file, across processes: the controller and
`bdc`'s recovery of a lost admin may write at the same time.
"""

from __future__ import annotations

import fcntl
import json
import os
import pathlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from controller.errors import StoreError

FOLDER_MODE = 0o700
FILE_MODE = 0o600


class Store(Protocol):
    """Documents by name (``users.json``); ``name`` is always one of ours, never a caller's. Safe in several threads and processes."""

    def read(self, name: str) -> Any | None:  # noqa: ANN401 (what the document holds)
        """The content, or None when there is none. StoreError when it can't be understood."""
        ...

    def look(self, name: str) -> Any | None:  # noqa: ANN401 (what the document holds)
        """As ``read``, for who alters nothing of what he gets: it may be what others got."""
        ...

    def write(self, name: str, content: Any) -> None:  # noqa: ANN401 (what the document holds)
        """Replace the content as a whole. StoreError when that fails; the old content is then still there."""
        ...

    def update(self, name: str, change: Callable[[Any], Any], *, durable: bool = True) -> Any:  # noqa: ANN401 (what the document holds)
        """Read, ``change`` and write so that no other writer comes between; ``change`` gets None when there is nothing, must not alter what
        it gets, and may be called more than once. Returns the new content. ``durable`` False: a machine that loses its power a moment
        later may have the content of before, whole."""
        ...

    def where(self, name: str) -> str:
        """Where ``name`` lies, for messages."""
        ...


class FolderStore:
    """A folder of JSON files."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self._seen: dict[str, tuple[tuple[int, int, int], Any]] = {}

    def look(self, name: str) -> Any | None:  # noqa: ANN401 (what the file holds)
        """As ``read``; a file that is still the same one is not read again: each change makes another file."""
        try:
            found = (self.folder / name).stat()
        except OSError:
            return self.read(name)
        stamp, seen = (found.st_ino, found.st_mtime_ns, found.st_size), self._seen.get(name)
        if seen is None or seen[0] != stamp:
            # what is read may be newer than the stamp: then the next look reads it again
            seen = self._seen[name] = (stamp, self.read(name))
        return seen[1]

    def read(self, name: str) -> Any | None:  # noqa: ANN401 (what the file holds)
        """The content of ``name``, or None when there is no such file. StoreError when it can't be understood."""
        path = self.folder / name
        try:
            return json.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        except (ValueError, RecursionError) as error:
            raise StoreError(
                f"{path} is damaged: {error}",
                where=str(path),
                hint="restore it from a backup, or move it away: the controller then starts with an empty one",
            ) from None
        except OSError as error:
            raise StoreError(f"{path} can't be read: {error.strerror}", where=str(path), hint="check its owner and mode") from error

    def write(self, name: str, content: Any) -> None:  # noqa: ANN401 (what the file holds)
        """Replace ``name`` by ``content``. StoreError when that fails; the old content is then still there."""
        self._write(name, content, durable=True)

    def _write(self, name: str, content: Any, *, durable: bool) -> None:  # noqa: ANN401 (what the file holds)
        given = json.dumps(content, sort_keys=True, ensure_ascii=False).encode()
        try:
            write_atomic(self.folder / name, given, FILE_MODE, durable=durable)
        finally:
            self._seen.pop(name, None)  # stamps are too coarse for several changes within one tick of the clock

    def update(self, name: str, change: Callable[[Any], Any], *, durable: bool = True) -> Any:  # noqa: ANN401 (what the file holds)
        """Read, ``change`` and write under the lock; ``change`` gets None when there is no file. Returns the new content."""
        with self.lock(name):
            before = self.look(name)
            after = change(before)
            if after != before:
                self._write(name, after, durable=durable)
            return after

    def where(self, name: str) -> str:
        """The file's path."""
        return str(self.folder / name)

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Hold the lock of ``name`` against other threads and processes."""
        self.make_folder()
        path = self.folder / f".{name}.lock"
        try:
            # root comes here too, and gives the file to the folder's owner: a link of his must not make that another file
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE)
        except OSError as error:
            raise StoreError(f"{path} can't be locked: {error.strerror}", where=str(path), hint="check its owner and mode") from error
        try:
            _keep_owner(path, handle)
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def make_folder(self) -> None:
        """Create the folder, for its owner alone."""
        try:
            self.folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{self.folder} can't be made: {error.strerror}", where=str(self.folder)) from error


def write_atomic(path: pathlib.Path, content: bytes, mode: int, *, durable: bool = True) -> None:
    """Replace the file ``path`` so that any crash leaves the old or the new content. Owner and group stay those of an old file.
    ``durable`` False: after a loss of power it may be the old one although this has returned."""
    temporary: str | None = None
    try:
        path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), mode)
            _keep_owner(path, file.fileno())
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        pathlib.Path(temporary).replace(path)
        temporary = None
        if durable:
            _sync_folder(path.parent)
    except OSError as error:
        hint = "free some disk space" if error.errno in (28, 122) else "check owner and mode of the folder"
        raise StoreError(f"{path} can't be written: {error.strerror}", where=str(path), hint=hint) from error
    finally:
        if temporary is not None:
            pathlib.Path(temporary).unlink(missing_ok=True)


def _keep_owner(path: pathlib.Path, handle: int) -> None:
    """Root repairing a file (lost admin) must not take it away from the controller's user: a new file, or one of root's, gets the
    folder's owner."""
    if os.geteuid() != 0:
        return
    try:
        like = path.lstat()
    except FileNotFoundError:
        like = None
    if like is None or like.st_uid == like.st_gid == 0:
        like = path.parent.stat()
    os.fchown(handle, like.st_uid, like.st_gid)


def _sync_folder(folder: pathlib.Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
