"""ConfigMaps: the files of each workload. Keys can't hold folders, so a file's folder lies in the volume's items."""

from __future__ import annotations

from controller.substrates.kubernetes.groups import Group
from controller.substrates.kubernetes.place import Json, Place
from controller.substrates.kubernetes.rendering import Filling
from pools.workload import Workload


def config_maps(group: Group, place: Place) -> tuple[Json, ...]:
    """One for each workload of the group that has files, named as the workload."""
    return tuple(_config_map(workload, group, place) for workload in group.members if workload.files)


def key_of(path: str) -> str:
    """``extension/bdc.control`` → ``extension__bdc.control``."""
    return path.replace("/", "__")


def _config_map(workload: Workload, group: Group, place: Place) -> Json:
    filling = Filling(workload, place)
    data = {key_of(file.path): file.content if file.literal else filling.text(file.content) for file in workload.files}
    metadata = place.metadata(workload.name, place.labels(workload.pool, group.name))
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
