"""Which app is which OS user: to itself as long as there are enough, kept over restarts, and with secrets always to itself."""

from __future__ import annotations

import pathlib
import types
from typing import Any, cast

import pytest

from apps.errors import StartError
from pools.app.launching import Launcher
from pools.app.slots import Slots

USERS = cast("Launcher", types.SimpleNamespace(users=[(900 + number, 900 + number) for number in range(3)]))


def numbers(slots: Slots, *names: str, **more: Any) -> list[int]:
    return [slots.of(name, **{"alone": False, "said": "", **more}).number for name in names]


def test_each_its_own_and_kept(tmp_path: pathlib.Path) -> None:
    slots = Slots(tmp_path / "users.json", USERS)
    assert numbers(slots, "a", "b", "a", "c", "b") == [0, 1, 0, 2, 1]
    assert numbers(Slots(tmp_path / "users.json", USERS), "c", "a") == [2, 0]
    assert (tmp_path / "users.json").stat().st_size


def test_one_that_became_free_is_given_again_last(tmp_path: pathlib.Path) -> None:
    slots = Slots(tmp_path / "users.json", USERS)
    numbers(slots, "a")
    slots.forget("a")
    slots.forget("nobody")
    assert numbers(slots, "b", "c", "d") == [1, 2, 0]


def test_more_apps_than_users_share_but_those_with_secrets_do_not(tmp_path: pathlib.Path) -> None:
    slots = Slots(tmp_path / "users.json", USERS)
    assert numbers(slots, "a", alone=True) == [0]
    assert numbers(slots, "b", "c", "d", "e") == [1, 2, 1, 2]
    with pytest.raises(StartError, match="an app with secrets runs as an OS user of its own, and all 3 are in use"):
        slots.of("f", alone=True, said="")
    slots = Slots(tmp_path / "users.json", USERS)
    assert numbers(slots, "g") == [1] and numbers(slots, "a") == [0]
    with pytest.raises(StartError):
        slots.of("b", alone=True, said="")  # it shares one now, and none is free
    for name in ("c", "e"):
        slots.forget(name)
    assert numbers(slots, "d", alone=True) == [2]
    assert numbers(slots, "h") == [1]


def test_where_all_are_those_of_apps_with_secrets(tmp_path: pathlib.Path) -> None:
    slots = Slots(tmp_path / "users.json", USERS)
    numbers(slots, "a", "b", "c", alone=True)
    with pytest.raises(StartError, match="all 3 OS users are those of apps with secrets"):
        slots.of("d", alone=False, said="")
    slots.forget("a")
    assert numbers(slots, "d") == [0]
