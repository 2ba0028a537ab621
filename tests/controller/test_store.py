from __future__ import annotations

import os
import pathlib

import pytest

from controller import store as store_module
from controller.errors import StoreError
from controller.store import FolderStore
from tests.controller.storing import a_change_may_change_another_document, updates_of_many_writers_are_all_there


def test_write_read_and_modes(tmp_path: pathlib.Path) -> None:
    store = FolderStore(tmp_path / "store")
    assert store.read("a.json") is None
    store.write("a.json", {"x": [1, "ä"]})
    assert store.read("a.json") == {"x": [1, "ä"]}
    assert (tmp_path / "store").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "store/a.json").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["a.json"]


def test_updates_of_many_threads_are_all_there(tmp_path: pathlib.Path) -> None:
    updates_of_many_writers_are_all_there(lambda: FolderStore(tmp_path), 20)


def test_a_change_may_change_another_document(tmp_path: pathlib.Path) -> None:
    a_change_may_change_another_document(FolderStore(tmp_path))


def test_who_only_looks_sees_each_change_whoever_made_it(tmp_path: pathlib.Path) -> None:
    """Also changes of the same size, faster than the clock of the file system ticks."""
    store, other = FolderStore(tmp_path), FolderStore(tmp_path)
    assert store.look("n.json") is None
    for number in range(200):
        (store if number % 2 else other).write("n.json", {"n": 100 + number})
        assert store.look("n.json") == {"n": 100 + number} and store.look("n.json") is store.look("n.json")
    store.update("n.json", lambda before: {"n": before["n"] + 1} if before else None, durable=False)
    assert store.look("n.json") == other.look("n.json") == {"n": 300}
    (tmp_path / "n.json").unlink()
    assert store.look("n.json") is None


def test_a_damaged_file_says_which_and_what_to_do(tmp_path: pathlib.Path) -> None:
    (tmp_path / "users.json").write_text('{"users": ')
    with pytest.raises(StoreError) as caught:
        FolderStore(tmp_path).read("users.json")
    assert str(tmp_path / "users.json") in caught.value.message
    assert "backup" in (caught.value.hint or "")


def test_a_crash_before_the_rename_leaves_the_old_content(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FolderStore(tmp_path)
    store.write("a.json", 1)

    def crash(_handle: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(store_module.os, "fsync", crash)
    with pytest.raises(StoreError, match="No space left") as caught:
        store.write("a.json", 2)
    assert caught.value.hint == "free some disk space"
    monkeypatch.undo()
    assert store.read("a.json") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_a_failing_change_releases_the_lock_and_changes_nothing(tmp_path: pathlib.Path) -> None:
    store = FolderStore(tmp_path)
    with pytest.raises(KeyError):
        store.update("a.json", lambda before: {}["missing"])
    assert store.update("a.json", lambda before: 1) == 1


def test_a_link_in_a_locks_place_is_refused(tmp_path: pathlib.Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    owner = victim.stat().st_uid, victim.stat().st_gid
    store = FolderStore(tmp_path / "store")
    store.make_folder()
    if os.geteuid() == 0:
        os.chown(store.folder, 65534, 65534)  # as the control user's folder, in which root locks and writes
    (store.folder / ".a.json.lock").symlink_to(victim)
    with pytest.raises(StoreError, match="can't be locked"):
        store.update("a.json", lambda before: 1)
    assert (victim.stat().st_uid, victim.stat().st_gid) == owner


def test_a_link_in_a_files_place_is_replaced(tmp_path: pathlib.Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    store = FolderStore(tmp_path / "store")
    store.make_folder()
    (store.folder / "a.json").symlink_to(victim)
    store.write("a.json", 1)
    assert victim.read_text() == "untouched"
    assert store.read("a.json") == 1
