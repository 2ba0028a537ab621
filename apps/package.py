"""A folder as one archive, the same bytes for the same files, with a digest; and back, trusting nothing in it.

The archive is a tar with gzip: sorted names, no owners, no times, modes 644 and 755. The digest is the SHA-256 of the tar, so it does not
depend on how it was compressed.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from apps.errors import PackageError, PackageSizeError

MAX_BYTES = 256 * 2**20
"""Of all files of a package together."""
MAX_ARCHIVE = 128 * 2**20
"""Of the compressed archive."""
MAX_FILES = 5_000
LEFT_OUT = frozenset(
    {".git", "__pycache__", ".venv", "venv", ".ipynb_checkpoints", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".DS_Store"}
)


@dataclass(frozen=True)
class Package:
    """``digest``: 64 hexadecimal digits; ``archive``: tar with gzip."""

    digest: str
    archive: bytes
    files: tuple[str, ...]


def pack(folder: Path) -> Package:
    """PackageError for a folder with links that lead out of it, or things that are no files; PackageSizeError."""
    if not folder.is_dir():
        raise PackageError(f"{folder} is no folder", where=str(folder))
    root, total = folder.resolve(), 0
    made = io.BytesIO()
    names: list[str] = []
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in _files(root, root):
            name, size = path.relative_to(root).as_posix(), path.stat().st_size
            total, names = total + size, [*names, name]
            if total > MAX_BYTES or len(names) > MAX_FILES:
                raise PackageSizeError(
                    f"the folder holds more than {MAX_BYTES // 2**20} MB or {MAX_FILES} files",
                    where=name,
                    hint="keep data in HDFS or in tables; an app's folder holds its code and its model",
                )
            _add(tar, path, name)
    content = made.getvalue()
    return Package(hashlib.sha256(content).hexdigest(), gzip.compress(content, 6, mtime=0), tuple(names))


def _files(folder: Path, root: Path) -> Iterator[Path]:
    """Sorted by name, whatever the file system's order."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise PackageError(f"can't be read: {error.strerror}", where=str(folder)) from None
    for entry in entries:
        path = Path(entry.path)
        if entry.name in LEFT_OUT or entry.name.endswith(".pyc"):
            continue
        shown = path.relative_to(root).as_posix()
        if not shown.isprintable() or "\\" in shown:
            raise PackageError("a file's name holds a sign that can't be in a package", where=ascii(shown))
        if entry.is_dir(follow_symlinks=False):
            yield from _files(path, root)
        elif entry.is_symlink():
            yield _linked(path, root, shown)
        elif entry.is_file(follow_symlinks=False):
            yield path
        else:
            raise PackageError("is no file", where=shown, hint="sockets, pipes and devices can't be packed")


def _linked(path: Path, root: Path, shown: str) -> Path:
    """A link to a file of the folder is packed as that file."""
    target = path.resolve()
    if not target.is_relative_to(root):
        raise PackageError("is a link that leads out of the folder", where=shown, hint="copy the file into the folder")
    if not target.is_file():
        raise PackageError("is a link to something that is no file", where=shown, hint="copy it, or remove the link")
    return path


def _add(tar: tarfile.TarFile, path: Path, name: str) -> None:
    info = tarfile.TarInfo(name)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PackageError(f"can't be read: {error.strerror}", where=name) from None
    info.size, info.mtime = len(content), 0
    info.mode = 0o755 if os.access(path, os.X_OK) and path.stat().st_mode & 0o111 else 0o644
    tar.addfile(info, io.BytesIO(content))


def unpack(archive: bytes, folder: Path, *, closed: bool = True) -> str:
    """Write the files below ``folder`` (which must not exist), readable and not writable; the digest. ``closed``: folders too, so that only
    ``remove`` (and root) can delete them. PackageError for an archive with
    ``../``, absolute names, links, devices or names that come twice; nothing of such a one is left out silently."""
    content = _decompressed(archive)
    digest, seen, written = hashlib.sha256(content).hexdigest(), set[str](), 0
    folder.mkdir(mode=0o755, parents=True)
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as tar:
            for member in tar:
                name = _checked(member)
                if name in seen:
                    raise PackageError("comes twice", where=name)
                seen.add(name)
                written += member.size
                if len(seen) > MAX_FILES or written > MAX_BYTES:
                    raise PackageSizeError(f"the package holds more than {MAX_BYTES // 2**20} MB or {MAX_FILES} files")
                _write(tar, member, folder / name)
    except (tarfile.TarError, EOFError, ValueError, UnicodeError) as error:
        raise PackageError(f"is no package: {error}") from None
    except OSError as error:
        raise PackageError(f"can't be unpacked: {error.strerror or error}") from None
    if not seen:
        raise PackageError("the package is empty")
    if closed:
        _close(folder)
    return digest


def _decompressed(archive: bytes) -> bytes:
    """No more than is allowed is ever held, whatever the archive says of itself."""
    if len(archive) > MAX_ARCHIVE:
        raise PackageSizeError(f"the archive is larger than {MAX_ARCHIVE // 2**20} MB")
    limit = MAX_BYTES + MAX_FILES * 2048 + 10240  # headers and padding
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(archive)) as packed:
            content = packed.read(limit + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise PackageError(f"is no package: {error}", hint="send what 'bdc app create' makes: a tar with gzip") from None
    if len(content) > limit:
        raise PackageSizeError(f"the package holds more than {MAX_BYTES // 2**20} MB")
    return content


def _checked(member: tarfile.TarInfo) -> str:
    name = member.name
    parts = PurePosixPath(name).parts
    if (
        not parts
        or name.startswith("/")
        or ".." in parts
        or "\\" in name
        or not name.isprintable()
        or PurePosixPath(name).as_posix() != name
    ):
        raise PackageError("a name in the package leads out of it, or can't be a file's", where=ascii(name)[:200])
    if member.issym() or member.islnk():
        raise PackageError("is a link; a package holds files only", where=name)
    if not member.isreg():
        raise PackageError("is no file; a package holds files only", where=name)
    return name


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    source = tar.extractfile(member)
    assert source is not None
    with path.open("xb") as file:
        file.write(source.read())
    path.chmod(0o555 if member.mode & 0o100 else 0o444)


def _close(folder: Path) -> None:
    """Nobody writes into an app's folder any more, the app itself included."""
    for place, _, _ in os.walk(folder, topdown=False):
        Path(place).chmod(0o555)


def remove(folder: Path) -> None:
    """Such a folder, and all in it. No error where there is none."""
    for place, _, files in os.walk(folder, topdown=True):
        Path(place).chmod(0o755)
        for name in files:
            (Path(place) / name).unlink()
    for place, inner, _ in os.walk(folder, topdown=False):
        for name in inner:
            path = Path(place) / name
            path.unlink() if path.is_symlink() else path.rmdir()
    if folder.is_dir():
        folder.rmdir()
