"""The trail of one service by itself: what is written and when, rotation, what is lost with a full disk and told after, and reading."""

from __future__ import annotations

import functools
import json
import os
import pathlib
import subprocess
import sys
import threading

import pytest

from pools.audit import STRANGERS, Keep, Trail, rotated
from pools.audit_entries import OBJECTS, Entry
from pools.audit_reading import Line, Wanted, found, merged
from tests.patience import eventually


def lines(file: pathlib.Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_an_entry_is_written_before_note_returns_and_the_file_is_the_owners_alone(tmp_path: pathlib.Path) -> None:
    file, echoed = tmp_path / "audit.jsonl", list[str]()
    trail, before = Trail(file, "control", echo=echoed.append), os.umask(0o000)
    try:
        trail.note(Entry("users.add", "allowed", "admin", "alice", "127.0.0.1", ("name=bob",), "s1", request="r1"))
    finally:
        os.umask(before)
    assert file.stat().st_mode & 0o777 == 0o600
    (line,) = lines(file)
    assert line.pop("at")
    assert line == {
        "n": 1, "service": "control", "action": "users.add", "outcome": "allowed", "rule": "admin", "user": "alice",
        "origin": "127.0.0.1", "objects": ["name=bob"], "session": "s1", "request": "r1",
    }  # fmt: skip
    assert [json.loads(one)["n"] for one in echoed] == [1]
    trail.close()


def test_what_is_told_for_later_is_written_soon_in_order(tmp_path: pathlib.Path) -> None:
    trail = Trail(tmp_path / "audit.jsonl", "compute-0")
    for number in range(100):
        trail.later(functools.partial(Entry, "sql.query", "allowed", "x", rows=number))
    eventually(lambda: (tmp_path / "audit.jsonl").exists() and len(lines(tmp_path / "audit.jsonl")) == 100, "the entries are written")
    assert [line["rows"] for line in lines(tmp_path / "audit.jsonl")] == list(range(100))
    trail.close()


def test_numbers_go_on_over_restarts_and_rotations(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "audit.jsonl"
    for start in range(4):
        trail = Trail(file, "control", keep=Keep(1000, 4))
        for number in range(10):
            trail.note(Entry("a", "allowed", "x", "alice", objects=(f"{start}.{number}",)))
        trail.close()
    kept = [rotated(file, number) for number in range(5) if rotated(file, number).exists()]
    assert 2 <= len(kept) <= 4 and all(path.stat().st_size <= 1200 and path.stat().st_mode & 0o777 == 0o600 for path in kept)
    numbers = [line["n"] for path in reversed(kept) for line in lines(path)]
    assert numbers == list(range(40 - len(numbers) + 1, 41))
    assert [line["n"] for line in found(file, Wanted(limit=5))] == [40, 39, 38, 37, 36]


def test_a_line_that_was_cut_off_spoils_nothing(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "audit.jsonl"
    file.write_text('{"n": 7, "at": "2026-01-01T00:00:00.000+00:00", "action": "a"}\n{"n": 8, "at": "20')
    trail = Trail(file, "control")
    trail.note(Entry("b", "allowed", "x"))
    trail.close()
    assert [(line["n"], line["action"]) for line in found(file, Wanted())] == [(8, "b"), (7, "a")]


def test_many_threads_write_whole_lines(tmp_path: pathlib.Path) -> None:
    trail = Trail(tmp_path / "audit.jsonl", "control")

    def write() -> None:
        for _ in range(200):
            trail.note(Entry("a", "allowed", "x"))

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    trail.close()
    assert [line["n"] for line in lines(tmp_path / "audit.jsonl")] == list(range(1, 801))


FULL = """
import pathlib, resource, signal, sys
from pools.audit import Trail
from pools.audit_entries import Entry
said = []
trail = Trail(pathlib.Path(sys.argv[1]), "control", said.append)
trail.note(Entry("first", "allowed", "x"))
resource.setrlimit(resource.RLIMIT_FSIZE, (300, resource.RLIM_INFINITY))
for number in range(5):
    trail.note(Entry("a" * 100, "allowed", "x", objects=(str(number),)))
lost, problem = trail.lost, trail.problem
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
trail.note(Entry("last", "allowed", "x"))
trail.close()
print(lost, problem, len(said), trail.problem)
"""


def test_a_file_that_can_not_grow_stops_nobody_and_tells_what_is_missing(tmp_path: pathlib.Path) -> None:
    """As with a full disk: a part of a line fits, which is taken back."""
    file = tmp_path / "audit.jsonl"
    done = subprocess.run([sys.executable, "-c", FULL, file], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["5", "File", "too", "large", "1", "None"], done
    written = lines(file)
    assert [line["action"] for line in written] == ["first", "audit.lost", "last"]
    assert (written[1]["count"], written[1]["outcome"]) == (5, "failed") and written[1]["why"] <= written[1]["at"]  # type: ignore[operator]
    assert [line["n"] for line in written] == [1, 2, 3]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a small disk")
def test_a_full_disk(tmp_path: pathlib.Path) -> None:
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", tmp_path], check=False, capture_output=True).returncode:
        pytest.skip("needs root to mount a small disk")
    try:
        said: list[str] = []
        trail = Trail(tmp_path / "audit.jsonl", "control", said.append)
        trail.note(Entry("first", "allowed", "x"))
        while trail.problem is None:
            trail.note(Entry("x" * 300, "allowed", "x"))
        trail.note(Entry("lost", "allowed", "x"))
        assert said == [f"{tmp_path}/audit.jsonl: No space left on device"] and trail.lost == 2
        (tmp_path / "audit.jsonl").rename(tmp_path / "audit.jsonl.1")
        (tmp_path / "audit.jsonl.1").write_text((tmp_path / "audit.jsonl.1").read_text().splitlines()[0] + "\n")
        trail.note(Entry("last", "allowed", "x"))
        trail.close()
        assert [line["action"] for line in found(tmp_path / "audit.jsonl", Wanted())] == ["last", "audit.lost", "first"]
    finally:
        subprocess.run(["umount", tmp_path], check=True)


@pytest.mark.parametrize("kind", ["link", "folder", "nowhere"])
def test_what_is_no_file_of_ours_is_not_written(tmp_path: pathlib.Path, kind: str) -> None:
    said: list[str] = []
    file = tmp_path / "audit.jsonl"
    (tmp_path / "other").write_text("")
    match kind:
        case "link":
            file.symlink_to(tmp_path / "other")
        case "folder":
            file.mkdir()
        case "nowhere":
            file = tmp_path / "gone" / "audit.jsonl"
    trail = Trail(file, "control", said.append)
    for _ in range(3):
        trail.note(Entry("a", "allowed", "x"))
    trail.close()
    assert len(said) == 1 and trail.lost == 3 and (tmp_path / "other").read_text() == ""


def test_a_file_that_was_moved_away_is_made_anew(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "audit.jsonl"
    trail = Trail(file, "control")
    trail.note(Entry("a", "allowed", "x"))
    file.rename(tmp_path / "kept")
    trail.note(Entry("b", "allowed", "x"))
    trail.settle()
    trail.note(Entry("c", "allowed", "x"))
    trail.close()
    assert [line["action"] for line in lines(tmp_path / "kept")] == ["a", "b"]
    assert [line["action"] for line in lines(file)] == ["c"]


def test_strangers_push_nothing_out(tmp_path: pathlib.Path) -> None:
    now = 0.0
    trail = Trail(tmp_path / "audit.jsonl", "control", clock=lambda: now)
    for _ in range(STRANGERS + 50):
        trail.note_few(Entry("login", "refused", "password"))
    assert len(lines(tmp_path / "audit.jsonl")) == STRANGERS
    now = 60.0
    trail.note_few(Entry("login", "refused", "password"))
    assert [line["action"] for line in lines(tmp_path / "audit.jsonl")[-2:]] == ["audit.left_out", "login"]
    assert lines(tmp_path / "audit.jsonl")[-2]["objects"] == ["50 refusals"]
    trail.close()


def test_long_and_strange_texts_are_cut_and_stay_one_line(tmp_path: pathlib.Path) -> None:
    trail = Trail(tmp_path / "audit.jsonl", "control")
    trail.note(Entry("a\nb", "allowed", "x", "\ud800" + "u" * 5000, objects=tuple("o" * 5000 for _ in range(OBJECTS + 5))))
    trail.close()
    (line,) = lines(tmp_path / "audit.jsonl")
    assert len(str(line["user"])) <= 400 and len(line["objects"]) == OBJECTS + 1  # type: ignore[arg-type]
    assert (tmp_path / "audit.jsonl").stat().st_size < 20_000


def test_what_is_asked_for(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "audit.jsonl"
    trail = Trail(file, "control")
    told = (
        ("alice", "users.add", "allowed", "s1"),
        ("bob", "users", "refused", "s2"),
        ("alice", "usersx", "failed", "s1"),
        (None, "login", "refused", None),
    )
    for at, (user, action, outcome, session) in enumerate(told):
        trail.note(Entry(action, outcome, "x", user, session=session, at=1_000_000.0 + 10_000 * at))  # type: ignore[arg-type]
    trail.close()

    def actions(**asked: object) -> list[object]:
        return [line["action"] for line in found(file, Wanted.read(asked))]

    assert actions() == ["login", "usersx", "users", "users.add"]
    assert actions(user="alice") == ["usersx", "users.add"]
    assert actions(action="users") == ["users", "users.add"]
    assert actions(outcome="refused", limit=1) == ["login"]
    assert actions(session="s1", user="alice", outcome="failed") == ["usersx"]
    assert actions(since="1970-01-12T16:33:20+00:00") == ["login", "usersx", "users"]
    assert actions(since="1970-01-12T18:33:20+02:00") == ["login", "usersx", "users"]
    assert found(tmp_path / "none.jsonl", Wanted()) == []
    for bad in ({"limit": 0}, {"limit": "5"}, {"user": 1}, {"since": "yesterday"}):
        with pytest.raises(ValueError):
            Wanted.read(bad)


def test_services_are_merged_newest_first() -> None:
    def line(at: int, service: str) -> Line:
        return {"at": f"2026-01-01T00:00:0{at}", "service": service, "n": at}

    one, two = [line(5, "a"), line(1, "a")], [line(4, "b"), line(3, "b"), line(2, "b")]
    assert [entry["n"] for entry in merged([one, two], 4)] == [5, 4, 3, 2]
