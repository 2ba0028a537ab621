"""``backup`` and ``restore`` of a whole cluster of this machine: one file with everything that it keeps.

The cluster is stopped in order while the file is written, so that master, data pool, HDFS, users, keys and spec are of one moment, and
started again. The file holds the cluster's keys and users: it is its owner's alone, and to be kept so.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
import json
import os
import shutil
import tarfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any

from controller.errors import ControllerError
from controller.facts import facts
from controller.local import daemon
from controller.local.create import start
from controller.local.delete import remove, stop
from controller.local.errors import LocalError
from controller.local.laying import lay_spec, read_spec
from controller.local.locking import cluster_lock
from controller.local.opening import check_name
from controller.local.progress import Progress
from controller.spec.edit import set_value
from controller.substrates.local.claims import PortClaims
from controller.substrates.local.layout import ClusterHome, cluster_home
from controller.substrates.local.reachability import check_creatable
from controller.substrates.local.users import POOLS, ensure_users, ids
from controller.workloads import all_workloads

FORMAT = 1
MANIFEST, DIGESTS = "manifest.json", "digests.json"
TRAIL = "audit.jsonl"
LEFT_OUT = frozenset({"compute", "control"})
"""Pools whose folders hold nothing that is kept."""

BLOCK = 1 << 20
MOST_MANIFEST = 64 << 20


def backup(home: ClusterHome, target: Path, seconds: float, progress: Progress) -> dict[str, object]:
    """Write ``target``; the cluster runs again afterwards if it ran before, also when the writing failed."""
    target = target.resolve()
    if target.exists():
        raise LocalError("invalid_request", f"{target} exists already", where=str(target), hint="choose another name, or move it away")
    pools = _pools(home)
    size = sum(path.lstat().st_size for path, _ in _files(home, pools))
    room = shutil.disk_usage(target.parent).free
    if size > room:
        raise LocalError(
            "invalid_request", f"the backup takes up to {size >> 20} MB, {target.parent} has {room >> 20}", hint="another disk"
        )
    ran = daemon.running(home)
    stop(home, seconds, progress)
    part = target.with_name(f"{target.name}.part")
    try:
        progress.tell("backup", "starting", f"writing {size >> 20} MB to {target}")
        count = _write(home, pools, part, target.suffix == ".gz")
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
        if ran:
            start(home, seconds, progress)
    progress.tell("backup", "done", f"{count} files")
    return {"name": home.name, "file": str(target), "files": count, "bytes": target.stat().st_size}


def restore(file: Path, name: str | None, seconds: float, progress: Progress) -> dict[str, object]:
    """A cluster from a backup, under its own name or another; nothing is left of it when that fails."""
    with _opened(file) as archive:
        manifest = _manifest(archive, file)
        if manifest.get("substrate") == "kubernetes":
            raise LocalError(
                "invalid_request", f"{file} is the backup of a cluster on Kubernetes, whose spec means volumes and images", where=str(file),
                hint="bdc restore FILE --kubernetes",
            )  # fmt: skip
        home = cluster_home(name or str(manifest["name"]))
        check_name(home.name)
        check_creatable(home.path)
        with cluster_lock(home.name):
            if home.path.exists():
                raise LocalError(
                    "name_taken", f"there is a cluster {home.name!r} on this machine already", where=str(home.path),
                    hint=f"restore under another name (--name), or bdc delete {home.name}",
                )  # fmt: skip
            try:
                progress.tell("restore", "starting", f"unpacking {file}")
                _unpack(archive, home, {str(key): str(pool) for key, pool in manifest["pools"].items()})
                _lay(home, str(manifest["name"]))
                home.ready_once.touch(mode=0o600)
                result = start(home, seconds, progress)
            except (tarfile.TarError, EOFError, zlib.error) as error:
                remove(home, progress)
                raise _damaged(str(error)) from error
            except (ControllerError, OSError, KeyboardInterrupt):
                remove(home, progress)
                raise
    return {**result, "made_at": manifest["made_at"]}


def _pools(home: ClusterHome) -> dict[str, str]:
    """Workload → pool, of what keeps something."""
    spec = read_spec(home)
    found = {workload.name: workload.pool for workload in all_workloads(spec, facts(home.path, spec)) if workload.on_demand is None}
    there = {path.name for path in home.workloads.iterdir()}
    kept = {name: pool for name, pool in found.items() if pool not in LEFT_OUT and name in there}
    # shards and DataNodes that were taken away keep their folders
    more = {
        name: "data" if name.startswith("data-") else "storage" for name in there - found.keys() if name.startswith(("data-", "storage-"))
    }
    return {**more, **kept}


def _files(home: ClusterHome, pools: dict[str, str]) -> Iterator[tuple[Path, str]]:
    """Every file and folder, with its name in the archive."""
    for folder in (home.spec, home.secrets, home.store_folder, *(home.workload(name) / "data" for name in sorted(pools))):
        for path in (folder, *sorted(folder.rglob("*"))) if folder.is_dir() else (folder,):
            if path.is_symlink() or not (path.is_dir() or path.is_file()):
                continue  # sockets and locks end with the processes
            if path.parent == folder and path.name.startswith(TRAIL):
                continue  # what was done here is no part of the cluster that a backup makes
            yield path, str(path.relative_to(home.path))


def _write(home: ClusterHome, pools: dict[str, str], part: Path, compressed: bool) -> int:
    manifest = {
        "format": FORMAT, "name": home.name, "made_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "version": importlib.metadata.version("openbdc-cluster"), "pools": pools,
    }  # fmt: skip
    digests: dict[str, str] = {}
    handle = os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as out:
        with (
            tarfile.open(fileobj=out, mode="w:gz" if compressed else "w", compresslevel=1)
            if compressed
            else tarfile.open(fileobj=out, mode="w") as archive
        ):
            _add(archive, MANIFEST, manifest)
            for path, name in _files(home, pools):
                entry = archive.gettarinfo(path, name)
                entry.uid = entry.gid = 0
                entry.uname = entry.gname = ""
                if entry.isdir():
                    archive.addfile(entry)
                    continue
                with path.open("rb") as content:
                    reader = _Digested(content)
                    archive.addfile(entry, reader)  # type: ignore[arg-type] # it only reads
                digests[name] = reader.digest.hexdigest()
            _add(archive, DIGESTS, digests)
        out.flush()
        os.fsync(out.fileno())
    return len(digests)


class _Digested:
    """Reads a file and keeps its digest."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int) -> bytes:
        block = self._file.read(size)
        self.digest.update(block)
        return block


def _add(archive: tarfile.TarFile, name: str, content: object) -> None:
    text = json.dumps(content).encode()
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(text), 0o600
    archive.addfile(entry, io.BytesIO(text))


def _opened(file: Path) -> tarfile.TarFile:
    try:
        return tarfile.open(file)
    except (OSError, tarfile.TarError) as error:
        raise LocalError("invalid_request", f"{file} can't be read as a backup: {error}", where=str(file)) from error


def _manifest(archive: tarfile.TarFile, file: Path) -> dict[str, Any]:
    try:
        first = archive.next()
        content = archive.extractfile(first) if first is not None and first.name == MANIFEST and first.size < MOST_MANIFEST else None
        found = json.loads(content.read()) if content is not None else None
    except (OSError, tarfile.TarError, ValueError):
        found = None
    if not isinstance(found, dict) or found.get("format") != FORMAT or not isinstance(found.get("pools"), dict):
        raise LocalError("invalid_request", f"{file} is no backup of a cluster", where=str(file), hint="bdc backup FILE makes one")
    return found


def _unpack(archive: tarfile.TarFile, home: ClusterHome, pools: dict[str, str]) -> None:
    """Files for the OS users of their pools; every file against its digest. Only plain files and folders, below the cluster's folder."""
    users = ensure_users(home)
    home.make(ids(users["control"]) if users else None)
    seen: dict[str, str] = {}
    told: dict[str, str] | None = None
    for entry in archive:
        if entry.name == MANIFEST:
            continue
        if entry.name == DIGESTS:
            content = archive.extractfile(entry)
            told = json.loads(content.read()) if content is not None else None
            continue
        path = PurePosixPath(entry.name)
        if path.is_absolute() or ".." in path.parts or not (entry.isfile() or entry.isdir()):
            raise LocalError("invalid_request", f"the backup holds {entry.name!r}, which it must not", hint="it was not made by bdc backup")
        owner = _owner(path, pools, users)
        target = home.path / path
        _folders(home, target if entry.isdir() else target.parent, owner)
        if entry.isfile():
            seen[entry.name] = _extract(archive, entry, target)
            _give(target, entry.mode, owner)
        else:
            target.chmod(entry.mode & 0o777)
    if told is None or told != seen:
        raise _damaged("files are missing or damaged")


def _damaged(why: str) -> LocalError:
    return LocalError("invalid_request", f"the backup is not whole: {why}", hint="take another copy of it, or an older one")


def _folders(home: ClusterHome, folder: Path, owner: tuple[int, int] | None) -> None:
    """Make it and what is missing above it."""
    if folder.exists():
        return
    _folders(home, folder.parent, owner)
    folder.mkdir(mode=0o700)
    if owner is not None:
        os.chown(folder, *owner)


def _extract(archive: tarfile.TarFile, entry: tarfile.TarInfo, target: Path) -> str:
    content, digest = archive.extractfile(entry), hashlib.sha256()
    assert content is not None  # it is a file
    with target.open("xb") as out:
        while block := content.read(BLOCK):
            digest.update(block)
            out.write(block)
    return digest.hexdigest()


def _give(target: Path, mode: int, owner: tuple[int, int] | None) -> None:
    target.chmod(mode & 0o777)
    if owner is not None:
        os.chown(target, *owner)


def _owner(path: PurePosixPath, pools: dict[str, str], users: dict[str, str]) -> tuple[int, int] | None:
    """uid and gid; None: ours."""
    pool = "control" if path.parts[0] == "store" else None
    if path.parts[0] == "workloads" and len(path.parts) > 1:
        pool = pools.get(path.parts[1])
        if pool not in POOLS:
            raise LocalError("invalid_request", f"the backup holds a folder of nobody's: {path}", hint="it was not made by bdc backup")
    return ids(users[pool]) if users and pool is not None else None


def _lay(home: ClusterHome, before: str) -> None:
    """The spec under the new name, in a block of ports that is free."""
    text = home.spec.read_text(encoding="utf-8")
    if home.name != before:
        text = set_value(text, "metadata.name", home.name)
        forget = home.store_folder / "spec.json"  # remembers the old name
        forget.unlink(missing_ok=True)
    with PortClaims() as claims:
        try:
            lay_spec(home, text, claims)
        except ControllerError:
            lay_spec(home, set_value(text, "spec.ports.base", "null"), claims)
