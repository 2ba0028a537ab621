"""Laying a workload's folders, configuration files and secrets, as its own user wherever that user could have put a link."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

from controller.supervisor.children import Identity, as_user
from controller.supervisor.errors import SupervisorError
from controller.supervisor.folder import ClusterFolder
from controller.supervisor.rendered import Rendered

INNER = ("data", "config", "secrets", "logs")
logger = logging.getLogger("supervisor")


def lay(folder: ClusterFolder, workload: Rendered, identity: Identity | None) -> None:
    """Make everything that ``workload`` expects on disk. Repeatable; SupervisorError ``cannot_start`` says what failed."""
    try:
        _lay(folder, workload, identity)
    except OSError as error:
        raise SupervisorError(
            "cannot_start", f"its files can't be laid: {error}", "see the disk's free space and the folder's rights"
        ) from error


def _lay(folder: ClusterFolder, workload: Rendered, identity: Identity | None) -> None:
    home, run = folder.workload(workload.name), folder.run / workload.run
    for parent in (folder.workloads, folder.run, folder.logs):
        if not parent.exists():
            parent.mkdir(mode=0o700)
            parent.chmod(0o711 if identity is not None else 0o700)  # whatever the umask
    for path in (home, run):
        path.mkdir(mode=0o700, exist_ok=True)
        if identity is not None:
            os.chown(path, identity.uid, identity.gid, follow_symlinks=False)
    secrets = {secret.file: _secret(folder, secret.name) for secret in workload.secrets}
    files = {file.path: file.content for file in workload.files}
    as_user(identity, lambda: _fill(home, files, secrets))


def lay_secrets(folder: ClusterFolder, workload: Rendered, identity: Identity | None) -> None:
    """Only its secrets, anew, while it runs: certificates that were renewed. OSError; SupervisorError for one that is not there."""
    secrets = {secret.file: _secret(folder, secret.name) for secret in workload.secrets}
    home = folder.workload(workload.name) / "secrets"

    def replace() -> None:
        for name, value in secrets.items():
            path = home / name
            if not path.is_file() or path.read_bytes() != value:
                _write(path, value, 0o400)

    as_user(identity, replace)


def _secret(folder: ClusterFolder, name: str) -> bytes:
    try:
        return (folder.secrets / name).read_bytes()
    except FileNotFoundError:
        raise SupervisorError("cannot_start", f"secret {name!r} is not in the cluster's secret store") from None


def _fill(home: Path, files: dict[str, str], secrets: dict[str, bytes]) -> None:
    for inner in INNER:
        (home / inner).mkdir(mode=0o700, exist_ok=True)
    for leftover in _stale(home / "config", set(files)) + _stale(home / "secrets", set(secrets)):
        leftover.unlink()
    for name, content in files.items():
        path = home / "config" / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(path, content.encode(), 0o600)
    for name, value in secrets.items():
        _write(home / "secrets" / name, value, 0o400)


def _stale(folder: Path, wanted: set[str]) -> list[Path]:
    return [path for path in folder.rglob("*") if not path.is_dir() and str(path.relative_to(folder)) not in wanted]


def _write(path: Path, content: bytes, mode: int) -> None:
    """Whole or not at all."""
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    temporary.replace(path)


def remove_batch(folder: ClusterFolder, name: str) -> None:
    """Delete all that a batch left behind, its log included. Never by way of a link; what can't be removed is left and told."""
    home = folder.workload(name)
    if home.is_dir() and not home.is_symlink():
        shutil.rmtree(home, onerror=_told)
    for log in folder.logs.glob(f"{name}.log*"):
        log.unlink(missing_ok=True)


def _told(_action: object, path: str, error: object) -> None:
    logger.warning("%s can't be removed: %s", path, error)


def remove_half_made(path: Path, home: Path, identity: Identity | None) -> None:
    """Delete what a prepare step that died left behind; only ever below the workload's own folder."""
    if not path.is_relative_to(home / "data") or path.is_symlink() or ".." in path.parts:
        raise SupervisorError("cannot_start", f"{path} is not below the workload's data folder, so it is not removed")

    def remove() -> None:
        if not path.exists():
            return
        if path == home / "data":
            for inner in path.iterdir():
                shutil.rmtree(inner) if inner.is_dir() and not inner.is_symlink() else inner.unlink()
        else:
            shutil.rmtree(path)

    as_user(identity, remove)
