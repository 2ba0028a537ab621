"""A stolen sealing key where keys are laid minutes later (pods): it goes as soon as nothing is sealed for it any more. What the compute
pool says is given here; that it says so is ``tests/pools/compute/test_sealing.py``, and the whole of it on one machine
``tests/cluster/test_key_rotation.py``."""

from __future__ import annotations

import pathlib
import time

import pytest

from controller.auth import rotation as module
from controller.auth.rotation import FILE, SEALED_SECONDS, Rotation, RotationEnds, Sealed
from controller.errors import NotReadyError
from controller.pool_requests import Replica
from controller.store import FolderStore

LAID = 240


class Rehearsed(Rotation):
    """The compute pool answers ``sealed``."""

    sealed = Sealed(['database "bdc": 1 credentials sealed anew'], keys=frozenset({"old"}))

    def _sealed_anew(self) -> Sealed:
        return self.sealed


class Clock:
    """Of ``time.time``; a minute of ``time.monotonic`` passes at each look."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000_000.0
        self.looks = 0.0
        monkeypatch.setattr(time, "time", lambda: self.now)
        monkeypatch.setattr(time, "monotonic", self._passed)

    def _passed(self) -> float:
        self.looks += 31.0
        return self.looks


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setattr(module, "owner_secret", lambda dsn: "secret")
    return Clock(monkeypatch)


def made(folder: pathlib.Path, steps: list[tuple[str, str, int]]) -> Rehearsed:
    ends = RotationEnds(
        lambda *step: steps.append(step), lambda: "dsn", lambda: (Replica("compute-0", {}),), lambda: None, LAID, lambda: "new"
    )
    return Rehearsed(FolderStore(folder), ends)


def test_it_goes_once_all_is_sealed_for_the_new_one(tmp_path: pathlib.Path, clock: Clock) -> None:
    steps: list[tuple[str, str, int]] = []
    rotation = made(tmp_path, steps)
    said = rotation.rotate("sealing", compromised=True)
    assert "opens nothing any more" in said[1] and "change the passwords" in said[1]
    assert steps == [("sealing", "add", SEALED_SECONDS)]
    clock.now += 2 * LAID - 1
    rotation.look()
    clock.now += 2
    rotation.look()
    assert len(steps) == 1, "the replica that was asked has not been laid the new key yet"
    rotation.sealed = Sealed(['database "bdc": the credential of a could not be sealed anew: x'], 1, frozenset({"new"}))
    rotation.look()
    assert len(steps) == 1, "a credential is sealed for it still"
    rotation.sealed = Sealed([], keys=frozenset({"new"}))
    again = made(tmp_path, steps)  # another controller goes on
    again.sealed = rotation.sealed
    again.look()
    assert steps[1:] == [("sealing", "drop", 0)]
    again.look()
    assert len(steps) == 2 and FolderStore(tmp_path).read(FILE) == {}


def test_without_a_theft_it_opens_for_a_day(tmp_path: pathlib.Path, clock: Clock) -> None:
    steps: list[tuple[str, str, int]] = []
    rotation = made(tmp_path, steps)
    assert "for another day" in rotation.rotate("sealing")[1]
    rotation.sealed = Sealed([], keys=frozenset({"new"}))
    for _ in range(50):
        clock.now += 2000
        rotation.look()
    assert steps == [("sealing", "add", SEALED_SECONDS)]


def test_what_is_away_is_told_before_anything_is_changed(tmp_path: pathlib.Path, clock: Clock) -> None:
    steps: list[tuple[str, str, int]] = []

    def away() -> tuple[Replica, ...]:
        raise NotReadyError("the compute pool is away")

    rotation = Rehearsed(FolderStore(tmp_path), RotationEnds(lambda *step: steps.append(step), lambda: "dsn", away, lambda: None, LAID))
    with pytest.raises(NotReadyError):
        rotation.rotate("sealing", compromised=True)
    assert not steps and FolderStore(tmp_path).read(FILE) is None
