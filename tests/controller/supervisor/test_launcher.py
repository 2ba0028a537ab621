"""The launcher by itself, spoken to as the app proxy does: whom it becomes, what it says, and what is left of it."""

from __future__ import annotations

import json
import os
import pathlib
import resource
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from controller.supervisor.launching import PROGRAM
from tests.patience import PATIENCE, eventually

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
NOBODY = 61000 + os.getpid() % 4000
"""Nobody's user but this test's: all that runs as it is ended."""

WHO = "import os; print(os.getresuid(), os.getresgid(), os.getgroups(), os.getcwd(), sorted(os.environ), flush=True)"


class Spoken:
    """``process``: the launcher; ``users``: as it told them."""

    def __init__(self, *users: str) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-I", "-S", "-B", str(PROGRAM), str(theirs.fileno()), *users]
        self.process = subprocess.Popen(command, pass_fds=(theirs.fileno(),), start_new_session=True)
        theirs.close()
        self.socket = ours
        ours.settimeout(PATIENCE)

    def __enter__(self) -> Spoken:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()
        self.process.wait(PATIENCE)

    def told(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.socket.recv(1 << 17))
        return found

    def ask(self, message: object, descriptors: tuple[int, ...] = ()) -> None:
        socket.send_fds(self.socket, [json.dumps(message).encode()], list(descriptors))

    def start(self, source: str, user: int = 0, folder: str = "/") -> tuple[dict[str, Any], int]:
        """What it answers, and the end of a pipe that takes the output."""
        reading, writing = os.pipe()
        inner, outer = socket.socketpair()
        with inner, outer:
            asked = {"id": 1, "op": "start", "user": user, "folder": folder, "environment": {"A": "b"}, "said": "t@v1"}
            self.ask({**asked, "command": [sys.executable, "-I", "-S", "-c", source]}, (inner.fileno(), writing))
            os.close(writing)
            return self.told(), reading


@pytest.fixture
def spoken() -> Iterator[Spoken]:
    with Spoken(f"{NOBODY}:{NOBODY}") as found:
        assert found.told() == {"users": [[NOBODY, NOBODY]]}
        yield found
    assert found.process.returncode == 0


def read(reading: int) -> str:
    with os.fdopen(reading) as pipe:
        return pipe.read()


def test_a_process_of_the_user_and_how_it_ended(spoken: Spoken) -> None:
    answer, output = spoken.start(WHO + "; raise SystemExit(7)")
    assert read(output).strip() == f"({NOBODY}, {NOBODY}, {NOBODY}) ({NOBODY}, {NOBODY}, {NOBODY}) [] / ['A', 'LC_CTYPE']"
    assert spoken.told() == {"exit": answer["pid"], "code": 7}


def test_it_becomes_nobody_else(spoken: Spoken) -> None:
    for asked in (
        {"id": 1, "op": "start", "user": 1, "command": ["/bin/true"], "environment": {}, "folder": "/"},
        {"id": 1, "op": "start", "user": -1, "command": ["/bin/true"], "environment": {}, "folder": "/"},
        {"id": 1, "op": "clear", "user": 7, "folder": "/root"},
        {"op": "end", "pid": os.getpid()},
        {"op": "reboot"},
        ["no object"],
    ):
        reading, writing = os.pipe()
        spoken.ask(asked, (reading, writing))
        os.close(reading)
        os.close(writing)
    answer, output = spoken.start(WHO)  # it serves on, and answered none of these
    assert str(NOBODY) in read(output)
    assert spoken.told() == {"exit": answer["pid"], "code": 0}
    assert not select.select([spoken.socket], [], [], 0)[0]


@pytest.mark.parametrize("users", [("0:0",), ("0:5",), ("5:0",), ("1:1", "0:0"), ()])
def test_never_root(users: tuple[str, ...]) -> None:
    with Spoken(*users) as found:
        assert found.process.wait(PATIENCE) == 2


def test_what_can_not_be_started_is_said(spoken: Spoken, tmp_path: pathlib.Path) -> None:
    tmp_path.chmod(0o700)
    answer, output = spoken.start(WHO, folder=str(tmp_path))
    assert read(output) == ""
    assert answer["error"] == "Permission denied"


def test_without_room_for_one_more_it_says_so_and_serves_on(spoken: Spoken) -> None:
    pid = spoken.process.pid
    taken = {int(path.name) for path in pathlib.Path(f"/proc/{pid}/fd").iterdir()}
    free = [number for number in range(100) if number not in taken]
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (free[2], before[1]))  # two descriptors come, and there is no place for a third
    answer, output = spoken.start(WHO)
    assert read(output) == "" and answer["error"] == "no process can be started: Too many open files"
    resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
    answer, output = spoken.start(WHO)
    assert str(NOBODY) in read(output) and spoken.told() == {"exit": answer["pid"], "code": 0}


def test_it_clears_with_the_users_rights_only(spoken: Spoken, tmp_path: pathlib.Path) -> None:
    root = pathlib.Path("/var/tmp") / f"openbdc-launcher-{os.getpid()}"
    mine, theirs = root / "mine", root / "theirs"
    try:
        for folder in (root, mine, theirs, theirs / "inner"):
            folder.mkdir(mode=0o755)
            (folder / "file").write_text("x")
        for path in (theirs, *theirs.rglob("*")):
            os.chown(path, NOBODY, NOBODY)
        (theirs / "link").symlink_to(mine)
        (theirs / "inner").chmod(0)
        for number, folder in enumerate((mine, theirs)):
            spoken.ask({"id": number, "op": "clear", "user": 0, "folder": str(folder)})
            assert spoken.told()["id"] == number
        assert [path.name for path in mine.iterdir()] == ["file"]
        assert not [*theirs.iterdir()]
    finally:
        subprocess.run(["rm", "-r", "--", str(root)], check=True)


def test_all_end_with_who_asked_for_them() -> None:
    with Spoken(f"{NOBODY}:{NOBODY}") as found:
        found.told()
        answer, output = found.start("import time; print('up', flush=True); time.sleep(3600)")
        os.close(output)
        pid = answer["pid"]
        assert pathlib.Path(f"/proc/{pid}").exists()
    eventually(lambda: not pathlib.Path(f"/proc/{pid}").exists() or "Z (" in pathlib.Path(f"/proc/{pid}/status").read_text(), "it is gone")
