"""One machine: processes under a supervisor, ports in blocks, OS users, a secret store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from controller.substrate import Substrate


def connect(cluster_folder: Path) -> Substrate:
    """The substrate of the cluster in ``cluster_folder``; nothing is asked of the supervisor yet."""
    from controller.substrates.local.substrate import LocalSubstrate

    return LocalSubstrate(cluster_folder)
