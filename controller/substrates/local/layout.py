"""The folders of the clusters of one machine, and what any local client may read of a cluster (``public.json``)."""

from __future__ import annotations

import os
from pathlib import Path

from controller.store import FolderStore, write_atomic
from controller.substrates.local.programs import home
from controller.supervisor.folder import ClusterFolder

PUBLIC_MODE = 0o644
SPEC_MODE = 0o640


class ClusterHome(ClusterFolder):
    """A cluster's folder with everything in it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.name = path.name
        self.spec = path / "bdc.yaml"
        self.public = path / "public.json"
        self.store_folder = path / "store"
        self.ready_once = path / "supervisor" / "created"
        """Made when the cluster was ready for the first time: before that, Ctrl-C removes everything."""

    @property
    def store(self) -> FolderStore:
        """The controller's store."""
        return FolderStore(self.store_folder)

    def make(self, control: tuple[int, int] | None) -> None:
        """The folders, repeatable. ``control``: uid and gid of the control user when each pool has a user of its own."""
        shared = 0o711 if control else 0o700
        make_open(self.path)
        for folder, mode in (
            (self.supervisor, shared), (self.workloads, shared), (self.run, shared), (self.logs, shared),
            (self.secrets, 0o700), (self.store_folder, 0o700),
        ):  # fmt: skip
            folder.mkdir(mode=mode, exist_ok=True)
            folder.chmod(mode)
        if control is not None:
            os.chown(self.store_folder, *control)

    def write_spec(self, text: str, control: tuple[int, int] | None) -> None:
        """bdc.yaml, readable by the control user. It stays ours: it names programs that ``bdc start`` runs, perhaps as root."""
        write_atomic(self.spec, text.encode(), SPEC_MODE)
        if control is not None:
            os.chown(self.spec, os.geteuid(), control[1])


def make_open(folder: Path) -> None:
    """Make ``folder`` and the parents that are missing, passable for all whatever the umask; those that are there stay as they are."""
    if folder.exists():
        return
    make_open(folder.parent)
    folder.mkdir(mode=0o755, exist_ok=True)
    folder.chmod(0o755)


def clusters_folder() -> Path:
    """Where the clusters of this machine lie: ``<BDC_HOME>/clusters``."""
    return home().resolve() / "clusters"


def cluster_home(name: str) -> ClusterHome:
    """The home of a cluster, there or not. The name was checked before."""
    return ClusterHome(clusters_folder() / name)


def cluster_homes() -> list[ClusterHome]:
    """All clusters of this machine that the caller can see, half-made ones included."""
    try:
        entries = sorted(clusters_folder().iterdir())
    except (FileNotFoundError, PermissionError):
        return []
    return [ClusterHome(entry) for entry in entries if entry.is_dir() and not entry.name.startswith(".")]
