"""The file of ``bdc backup``, as one machine writes and reads it too (``controller/local/backup.py``): a tar with ``manifest.json`` first,
the spec, secrets, store and each workload's folder, and the digests of all files at its end."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import os
import pathlib
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import IO, cast

from bdc.errors import UserError

Json = dict[str, object]

FORMAT = 1
MANIFEST, DIGESTS, SPEC = "manifest.json", "digests.json", "bdc.yaml"
SECRETS, STORE, WORKLOADS = "secrets/", "store/", "workloads/"
SUBSTRATE = "substrate"
"""In the manifest: ``kubernetes``; one machine says nothing."""
MOST_MANIFEST = 64 << 20
BLOCK = 1 << 20

Entry = tuple[tarfile.TarInfo, IO[bytes] | None]
"""A file with its content, or a folder."""


class Writer:
    """Writes beside the final name, which the file gets once it is whole. A context manager; ``done`` ends it well."""

    def __init__(self, target: pathlib.Path, manifest: Json) -> None:
        self._target = target
        self._part = target.with_name(f"{target.name}.part")
        handle = os.open(self._part, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        self._file = os.fdopen(handle, "wb")
        self._archive = (
            tarfile.TarFile.gzopen(None, "w", self._file, compresslevel=1)
            if target.suffix == ".gz"
            else tarfile.TarFile(fileobj=self._file, mode="w")
        )
        self._digests: dict[str, str] = {}
        self._add(MANIFEST, json.dumps({"format": FORMAT, **manifest}).encode())

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()
        self._part.unlink(missing_ok=True)

    def add(self, name: str, content: bytes) -> None:
        """A small file."""
        self._add(name, content)
        self._digests[name] = hashlib.sha256(content).hexdigest()

    def copy(self, name: str, entry: tarfile.TarInfo, content: IO[bytes] | None) -> None:
        """An entry of another archive under this name; ``content`` None: a folder."""
        made = _named(name, entry)
        if content is None:
            self._archive.addfile(made)
            return
        reader = _Digested(content)
        self._archive.addfile(made, cast("IO[bytes]", reader))
        self._digests[name] = reader.digest.hexdigest()

    def done(self) -> int:
        """The file is whole; how many files are in it."""
        self._add(DIGESTS, json.dumps(self._digests).encode())
        self._archive.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._part.replace(self._target)
        return len(self._digests)

    def _add(self, name: str, content: bytes) -> None:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = len(content), 0o600
        self._archive.addfile(entry, io.BytesIO(content))


class _Digested:
    """Reads a file and keeps its digest."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int) -> bytes:
        block = self._file.read(size)
        self.digest.update(block)
        return block


@dataclass(frozen=True)
class Found:
    """What a backup says of itself, once every file in it has its digest."""

    file: pathlib.Path
    name: str
    made_at: str
    spec: str
    secrets: dict[str, bytes]
    store: dict[str, bytes]
    sizes: dict[str, int]
    """Workload → bytes of its files."""

    def folders(self) -> Iterator[tuple[str, Iterator[Entry]]]:
        """Workload by workload its entries, named from its data folder on. Take each one's entries before the next."""
        with _opened(self.file) as archive:
            for workload, entries in itertools.groupby(_in_workloads(archive), key=lambda found: found[0]):
                yield workload, (entry for _, entry in entries)


def _in_workloads(archive: tarfile.TarFile) -> Iterator[tuple[str, Entry]]:
    for entry in archive:
        parts = pathlib.PurePosixPath(entry.name).parts
        if len(parts) > 3 and parts[0] == "workloads" and parts[2] == "data":
            content = archive.extractfile(entry) if entry.isfile() else None
            yield parts[1], (_named("/".join(parts[3:]), entry), content)


def _named(name: str, entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """A new one: a long name stands in an entry twice, and written again, the one that is no attribute wins."""
    made = tarfile.TarInfo(name)
    made.mode, made.mtime, made.type, made.size = entry.mode & 0o777, entry.mtime, entry.type, entry.size
    return made


def check(file: pathlib.Path) -> Found:
    """Read all of it. UserError for what is no backup, damaged, or holds what it must not."""
    with _opened(file) as archive:
        manifest = _manifest(archive, file)
        found = Found(file, str(manifest["name"]), str(manifest["made_at"]), "", {}, {}, {})
        try:
            kept = _read(archive, found)
        except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
            raise _damaged(file, str(error)) from error
    return Found(file, found.name, found.made_at, kept.decode(), found.secrets, found.store, found.sizes)


def _read(archive: tarfile.TarFile, found: Found) -> bytes:
    """Fills ``found``; the spec."""
    seen: dict[str, str] = {}
    told: object = None
    small: dict[str, bytes] = {}
    for entry in archive:
        path = pathlib.PurePosixPath(entry.name)
        if path.is_absolute() or ".." in path.parts or not (entry.isfile() or entry.isdir()):
            raise UserError(f"the backup holds {entry.name!r}, which it must not", hint="it was not made by bdc backup")
        if entry.isdir() or entry.name == MANIFEST:
            continue
        content = archive.extractfile(entry)
        assert content is not None  # it is a file
        if entry.name == DIGESTS:
            told = json.loads(content.read())
            continue
        digest = hashlib.sha256()
        small[entry.name] = b""
        while block := content.read(BLOCK):
            digest.update(block)
            if not entry.name.startswith(WORKLOADS):
                small[entry.name] += block
        seen[entry.name] = digest.hexdigest()
        if entry.name.startswith(WORKLOADS):
            found.sizes[path.parts[1]] = found.sizes.get(path.parts[1], 0) + entry.size
    if told != seen or SPEC not in small:
        raise _damaged(found.file, "files are missing or damaged")
    for folder, kept in ((SECRETS, found.secrets), (STORE, found.store)):
        kept |= {name.removeprefix(folder): content for name, content in small.items() if name.startswith(folder)}
    return small[SPEC]


def _opened(file: pathlib.Path) -> tarfile.TarFile:
    try:
        return tarfile.open(file)
    except (OSError, tarfile.TarError) as error:
        raise UserError(f"{file} can't be read as a backup", where=str(file), why=str(error)) from error


def _manifest(archive: tarfile.TarFile, file: pathlib.Path) -> Json:
    try:
        first = archive.next()
        content = archive.extractfile(first) if first is not None and first.name == MANIFEST and first.size < MOST_MANIFEST else None
        found = json.loads(content.read()) if content is not None else None
    except (OSError, tarfile.TarError, ValueError):
        found = None
    if not isinstance(found, dict) or found.get("format") != FORMAT or not isinstance(found.get("pools"), dict):
        raise UserError(f"{file} is no backup of a cluster", where=str(file), hint="bdc backup FILE makes one")
    return found


def _damaged(file: pathlib.Path, why: str) -> UserError:
    return UserError("the backup is not whole", where=str(file), why=why, hint="take another copy of it, or an older one")
