"""Which rows of a table a snapshot sees: the generation, and the condition on ``seg`` and ``dead``. Pure, but for the ledger's lock."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from pools.data.errors import ShardError
from pools.data.ledger import Generation, Ledger, Segment, TableKey, TableState

MAX_RUNS = 50
"""Conditions on runs of segment numbers, before single numbers become one list."""


@dataclass(frozen=True)
class View:
    """What a snapshot sees of a table: nothing where ``generation`` is None."""

    generation: int | None
    invisible: tuple[int, ...] = ()
    """Segments whose rows are not seen."""

    not_ending: tuple[int, ...] = ()
    """Segments that may have ended rows, which are still seen."""

    @property
    def condition(self) -> str:
        """As SQL over ``seg`` and ``dead``."""
        alive = " OR ".join(("dead = 0", *_within("dead", self.not_ending)))
        return f"{self.made} AND ({alive})" if self.invisible else f"({alive})"

    @property
    def made(self) -> str:
        """The part on ``seg``: who made the row."""
        return " AND ".join(f"NOT ({one})" for one in _within("seg", self.invisible)) or "true"


@dataclass(frozen=True)
class Snapshot:
    """What a reader may see: the number, the loads committed up to it that may not be published here, and its own load."""

    number: int
    pending: Mapping[str, int]
    """Load → version."""

    own: str | None = None
    """A load whose staged rows are seen too."""

    @classmethod
    def of(cls, number: int, pending: Iterable[tuple[str, int]], own: str | None = None) -> Snapshot:
        """From a ticket's claims; later loads are left out."""
        return cls(int(number), {load: int(version) for load, version, *_ in pending if int(version) <= int(number)}, own)


def view(ledger: Ledger, key: TableKey, snapshot: Snapshot, known: Collection[int]) -> View:
    """The view of ``snapshot``. ``known``: the generations that were there before the reader's transaction began; what came later
    can hold nothing that it may see. 72000 when it is too old."""
    with ledger.lock:
        table = ledger.tables.get(key)
        if table is None:
            return View(None)
        generation = _generation(table, snapshot)
        if generation is None or generation.number not in known:
            return View(None)
        unseen = [one for one in table.segments.values() if one.generation == generation.number and not sees(one, snapshot)]
    return _without(generation.number, unseen)


def published(generation: int, segments: Iterable[Segment]) -> View:
    """What is published of a generation, with these ``segments``: what the next snapshot sees of it."""
    return _without(generation, [one for one in segments if one.state != "published"])


def _without(generation: int, unseen: Collection[Segment]) -> View:
    return View(generation, tuple(sorted(one.number for one in unseen)), tuple(sorted(one.number for one in unseen if one.marks)))


def sees(segment: Segment, snapshot: Snapshot) -> bool:
    """Is the segment part of the snapshot?"""
    if segment.state == "published":
        return segment.version <= snapshot.number
    if segment.state == "sealed" and segment.load in snapshot.pending:
        return True
    return segment.load == snapshot.own and segment.state in ("staged", "sealed")


def _generation(table: TableState, snapshot: Snapshot) -> Generation | None:
    if snapshot.number < table.horizon:
        raise too_old()
    seen = [(version, one) for one in table.generations.values() if (version := _version(one, snapshot)) is not None]
    return max(seen, key=lambda pair: (pair[0], pair[1].number))[1] if seen else None


def _version(generation: Generation, snapshot: Snapshot) -> int | None:
    if generation.state == "published":
        return generation.version if generation.version <= snapshot.number else None
    return snapshot.pending.get(generation.load) if generation.state == "sealed" else None


def too_old() -> ShardError:
    """What a ticket gets that asks for what is no longer kept."""
    return ShardError("72000", "snapshot too old", hint="Begin a new transaction.")


def _within(column: str, numbers: tuple[int, ...]) -> tuple[str, ...]:
    """Conditions that hold for the numbers; runs of neighbours are one condition (a load of many small streams is one run)."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    # by bounds, which zone maps answer for whole row groups; IN would be computed for every row (half as much again for a group-by)
    if len(runs) <= MAX_RUNS:
        return tuple(f"{column} BETWEEN {first} AND {last}" for first, last in runs)
    single = [str(first) for first, last in runs if first == last]
    spans = tuple(f"{column} BETWEEN {first} AND {last}" for first, last in runs if first != last)
    return (*spans, f"{column} IN ({', '.join(single)})") if single else spans
