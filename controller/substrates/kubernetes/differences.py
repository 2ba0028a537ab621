"""Why a pod is made anew: the first field of its template that differs, named as people write it. Values are not shown: a command or a
file may hold what is not for everybody."""

from __future__ import annotations

from collections.abc import Iterator

from controller.substrates.kubernetes.place import RESTART, Json

MERGED_BY = ("name", "mountPath", "containerPort", "key", "topologyKey")
"""What tells the entries of a list apart."""


def first_difference(now: Json, wanted: Json) -> str | None:
    """Of two pod templates; what Kubernetes filled in (fields that ``wanted`` does not name) is no difference."""
    return next(_differences(now, wanted, ""), None)


def other_images(now: Json, wanted: Json) -> bool:
    """Of two sets: whether a container of both runs another image."""
    before, after = (_images(manifest["spec"]["template"]["spec"]) for manifest in (now, wanted))
    return any(before[name] != image for name, image in after.items() if name in before)


def _images(spec: Json) -> dict[str, str]:
    return {entry["name"]: entry["image"] for entry in (*spec.get("initContainers", ()), *spec["containers"])}


def _differences(now: object, wanted: object, path: str) -> Iterator[str]:
    if isinstance(wanted, dict) and isinstance(now, dict):
        for name, value in wanted.items():
            if name == RESTART:
                if now.get(name) != value:
                    yield "its configuration files"
            else:
                yield from _differences(now.get(name), value, f"{path}.{name}" if path else name)
    elif isinstance(wanted, list) and isinstance(now, list):
        yield from _of_lists(now, wanted, path)
    elif not _same(now, wanted):
        yield path


def _of_lists(now: list[object], wanted: list[object], path: str) -> Iterator[str]:
    if len(now) != len(wanted):
        yield path
        return
    for index, (before, after) in enumerate(zip(now, wanted, strict=True)):
        yield from _differences(before, after, f"{path}[{_entry(after, index)}]")


def _entry(entry: object, index: int) -> str:
    if isinstance(entry, dict):
        return next((str(entry[key]) for key in MERGED_BY if key in entry), str(index))
    return str(index)


def _same(now: object, wanted: object) -> bool:
    """An empty mapping or list that Kubernetes leaves out is the same as one that is there."""
    return now == wanted or (now is None and wanted in ({}, [], "", False, 0))
