"""Differences that people read: between two specs, and between what two specs make run. Pure."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from controller.spec import ClusterSpec
from pools.workload import Workload

Action = Literal["start", "stop", "restart", "update", "run"]
WITHOUT_RESTART = frozenset(
    {"ready", "requires", "stop_signal", "stop_seconds", "ready_seconds", "endpoints", "on_demand", "memory_mb", "service", "resource"}
)
"""Fields of a workload that concern how it is watched and shown, not the process."""

SHOWN = 60
MOST_LINES = 4


@dataclass(frozen=True)
class FieldChange:
    """One field of the spec, defaults included."""

    path: str
    before: object
    after: object


@dataclass(frozen=True)
class WorkloadChange:
    """What happens to one workload: ``run`` is a job that runs once more, ``update`` needs no restart; ``why``: the fields that differ."""

    name: str
    action: Action
    why: tuple[str, ...] = ()


def spec_changes(before: ClusterSpec, after: ClusterSpec) -> tuple[FieldChange, ...]:
    """In the order of the spec."""
    old = dict(_leaves("", before.model_dump(mode="json", by_alias=True)))
    new = dict(_leaves("", after.model_dump(mode="json", by_alias=True)))
    return tuple(FieldChange(path, old.get(path), new.get(path)) for path in dict.fromkeys((*old, *new)) if old.get(path) != new.get(path))


def workload_changes(before: tuple[Workload, ...], after: tuple[Workload, ...]) -> tuple[WorkloadChange, ...]:
    """What goes first, then what comes or changes, in the order of ``after``. What starts on first use is not part of it: it may rest."""
    old, new = ({workload.name: workload for workload in side if workload.on_demand is None} for side in (before, after))
    gone = [WorkloadChange(name, "stop", ("no longer part of the spec",)) for name in reversed(old) if name not in new]
    return (*gone, *(change for workload in new.values() if (change := _change(old.get(workload.name), workload)) is not None))


def with_images(
    found: tuple[WorkloadChange, ...], desired: tuple[Workload, ...], images: Mapping[str, tuple[str, str]]
) -> tuple[WorkloadChange, ...]:
    """The same with what gets another image; ``images``: of each workload, before and after."""
    changed = {change.name: change for change in found}
    for workload in desired:
        old, new = images.get(workload.name, ("", ""))
        change = changed.get(workload.name, WorkloadChange(workload.name, "update"))
        if old == new or workload.on_demand is not None or change.action in ("start", "stop"):
            continue
        action: Action = "run" if workload.kind == "job" else "restart"
        changed[workload.name] = WorkloadChange(workload.name, action, (f"image: {old} → {new}", *change.why))
    order = {workload.name: number for number, workload in enumerate(desired, 1)}
    return tuple(sorted(changed.values(), key=lambda change: order.get(change.name, 0)))


def _change(old: Workload | None, new: Workload) -> WorkloadChange | None:
    if old is None:
        return WorkloadChange(new.name, "run" if new.kind == "job" else "start", ("not there yet",))
    found = [
        (field.name, *_differences(field.name, getattr(old, field.name), getattr(new, field.name))) for field in dataclasses.fields(new)
    ]
    why = [(name, sentence) for name, *sentences in found for sentence in sentences]
    if not why:
        return None
    action: Action = "restart" if any(name not in WITHOUT_RESTART for name, _ in why) else "update"
    return WorkloadChange(new.name, "run" if new.kind == "job" and action == "restart" else action, tuple(sentence for _, sentence in why))


def _differences(name: str, old: object, new: object) -> Iterator[str]:
    if old == new:
        return
    if name == "files":
        yield from _files(old, new)
    elif name == "command" and isinstance(old, tuple) and isinstance(new, tuple):
        yield from _lists("command", [str(word) for word in old], [str(word) for word in new])
    elif isinstance(old, Mapping) and isinstance(new, Mapping):
        yield from (
            f"{name}.{key}{_arrow(old.get(key), new.get(key))}" for key in dict.fromkeys((*old, *new)) if old.get(key) != new.get(key)
        )
    else:
        yield f"{name}{_arrow(_plain(old), _plain(new))}"


def _files(old: object, new: object) -> Iterator[str]:
    """By line, so that the setting that differs is told."""
    assert isinstance(old, tuple) and isinstance(new, tuple)
    before, after = ({file.path: file.content for file in side} for side in (old, new))
    for path in dict.fromkeys((*before, *after)):
        if before.get(path) != after.get(path):
            yield from _lists(path, before.get(path, "").splitlines(), after.get(path, "").splitlines())


def _lists(what: str, old: list[str], new: list[str]) -> Iterator[str]:
    told = 0
    for kind, first, last, other_first, other_last in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        told += 1
        if told > MOST_LINES:
            yield f"{what}: and more"
            return
        yield f"{what}{_arrow(' '.join(old[first:last]) or None, ' '.join(new[other_first:other_last]) or None)}"


def _arrow(old: object, new: object) -> str:
    texts = ["nothing" if value is None else str(value).strip() for value in (old, new)]
    return f": {texts[0]} → {texts[1]}" if all(len(text) <= SHOWN for text in texts) else " differs"


def _plain(value: object) -> object:
    """Dataclasses are told as a whole only where they are short."""
    if isinstance(value, tuple):
        return ", ".join(str(_plain(item)) for item in value) or None
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return " ".join(str(inner) for inner in dataclasses.asdict(value).values() if inner not in (None, (), ""))
    return value


def _leaves(path: str, value: object) -> Iterator[tuple[str, object]]:
    """A list is one value: its items have no names."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(f"{path}.{key}" if path else str(key), inner)
    else:
        yield path, value
