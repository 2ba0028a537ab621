"""``bdc hdfs`` against a real HDFS."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from bdc.contexts import Session, editing
from bdc.copies import Copier
from bdc.errors import BdcError, ConflictError, ForbiddenError, NotFoundError, ServiceError, UserError
from bdc.webhdfs import WebHdfs
from tests.azdata_like_cli.conftest import Run
from tests.patience import PATIENCE
from tests.services.hdfs import HdfsServer

pytestmark = pytest.mark.service


@pytest.fixture
def files(hdfs: HdfsServer, home: Path) -> Iterator[WebHdfs]:
    """The file system as its superuser, who is also the context's user; emptied at the end."""
    user = "nobody" if os.geteuid() == 0 else os.environ["USER"]
    address = f"http://127.0.0.1:{hdfs.http}/webhdfs/v1"
    with editing() as box:
        box[0] = box[0].with_session(Session("t", "http://127.0.0.1:1", user, endpoints={"webhdfs": address}))
    found = WebHdfs(address, user)
    yield found
    hdfs.empty()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three files in two folders, one of them empty."""
    made = tmp_path / "data"
    (made / "sub ä").mkdir(parents=True)
    (made / "a.csv").write_bytes(os.urandom(2_500_000))
    (made / "empty").write_bytes(b"")
    (made / "sub ä" / "b#?%&+.csv").write_text("1\n2\n")
    return made


def tree(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}


def test_folders_go_up_and_come_back(bdc: Run, files: WebHdfs, folder: Path, tmp_path: Path) -> None:
    up = bdc("hdfs", "cp", "-r", str(folder), "hdfs:/data", "--verify", "-o", "json")
    assert up.json == {"files": 3, "folders": 2, "bytes": 2_500_004}
    assert bdc("hdfs", "cp", "-r", "hdfs:/data", str(tmp_path / "back"), "--verify").code == 0
    assert tree(tmp_path / "back") == tree(folder)
    assert bdc("hdfs", "cp", "-r", "hdfs:/data", "hdfs:/copy").code == 0
    assert bdc("hdfs", "cp", "-r", "hdfs:/copy", str(tmp_path)).code == 0
    assert tree(tmp_path / "copy") == tree(folder)


def test_existing_files_stay_unless_forced(bdc: Run, files: WebHdfs, folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "mine.csv"
    target.write_text("mine")
    files.write("/a.csv", iter([b"theirs"]))
    for words in (("hdfs:/a.csv", str(target)), (str(folder / "a.csv"), "hdfs:/a.csv"), (str(folder / "a.csv"), "hdfs:/")):
        outcome = bdc("hdfs", "cp", *words)
        assert outcome.code == 1
        assert "--force" in outcome.err
    assert (target.read_text(), b"".join(files.read("/a.csv"))) == ("mine", b"theirs")
    assert bdc("hdfs", "cp", "hdfs:/a.csv", str(target), "--force").code == 0
    assert target.read_text() == "theirs"
    assert bdc("hdfs", "cp", str(folder / "a.csv"), "hdfs:/a.csv", "--force").code == 0
    assert b"".join(files.read("/a.csv")) == (folder / "a.csv").read_bytes()


def test_the_originals_spelling(bdc: Run, files: WebHdfs, folder: Path) -> None:
    assert bdc("bdc", "hdfs", "cp", "--from-path", str(folder), "--to-path", "hdfs:/data").code == 0
    assert bdc("bdc", "hdfs", "mv", "--source-path", "/data/a.csv", "--target-path", "/data/z.csv").code == 0
    assert bdc("bdc", "hdfs", "cat", "--path", "/data/sub ä/b#?%&+.csv", "--offset", "2", "--length", "1").out == "2"
    assert bdc("bdc", "hdfs", "chmod", "--permission", "640", "--path", "/data/z.csv").code == 0
    assert files.status("/data/z.csv").permission == "640"
    assert bdc("bdc", "hdfs", "chown", "--path", "/data/z.csv", "--owner", "alice", "--group", "staff").code == 0
    assert (files.status("/data/z.csv").owner, files.status("/data/z.csv").group) == ("alice", "staff")
    assert bdc("bdc", "hdfs", "create", "--path", "/note", "--data", "ä").code == 0
    assert bdc("bdc", "hdfs", "rmr", "--path", "/data").code == 0
    assert not files.exists("/data")


def test_ls_and_patterns(bdc: Run, files: WebHdfs) -> None:
    for name in ("/d/a1.csv", "/d/a2.csv", "/d/b.txt", "/d/.hidden.csv", "/e/a3.csv", "/d/odd[1].csv", "/d/\u202e\x9b evil"):
        files.write(name, iter([b"x"]))

    def names(pattern: str) -> list[str]:
        found: list[str] = bdc("hdfs", "ls", pattern, "-o", "json", "-q", "[].path").json
        return found

    assert names("/d/a*.csv") == ["/d/a1.csv", "/d/a2.csv"]
    assert names("/*/a[13].csv") == ["/d/a1.csv", "/e/a3.csv"]
    assert names("/d/odd[1].csv") == ["/d/odd[1].csv"]  # exists as written
    assert names("/d/.h*") == ["/d/.hidden.csv"]
    table = bdc("hdfs", "ls", "/d").out
    assert not {"\u202e", "\x9b"} & set(table)
    assert bdc("hdfs", "rm", "/d/a*").code == 0
    assert not files.exists("/d/a1.csv")
    missing = bdc("hdfs", "rm", "/d/zz*")
    assert missing.code == 1
    assert "nothing matches" in missing.err


def test_a_folder_of_more_than_one_batch(files: WebHdfs) -> None:
    for number in range(120):
        files.mkdir(f"/many/{number:03}")
    assert [entry.name for entry in files.listing("/many")] == [f"{number:03}" for number in range(120)]


def test_exists_and_its_exit_code(bdc: Run, files: WebHdfs) -> None:
    assert (bdc("hdfs", "exists", "/").code, bdc("hdfs", "exists", "/nix").code) == (0, 1)
    assert bdc("hdfs", "exists", "/nix", "-o", "json").json == {"exists": False}


@pytest.mark.parametrize("path", ["relative", "/a/../b", "hdfs:/..", "hdfs://host/x", "/a\x00b", "/a\nb", "", "/a:b"])
@pytest.mark.parametrize("verb", ["ls", "cat", "rm", "mkdir", "exists", "status", "create"])
def test_paths_that_are_refused(bdc: Run, files: WebHdfs, verb: str, path: str) -> None:
    outcome = bdc("hdfs", verb, path)
    assert outcome.code == 1, outcome
    assert outcome.err.startswith("bdc: error: ")


def test_rm_refuses_what_is_too_much(bdc: Run, files: WebHdfs) -> None:
    files.write("/d/x", iter([b"x"]))
    assert bdc("hdfs", "rm", "/", "-r").code == 1
    assert bdc("hdfs", "rm", "//", "-r").code == 1
    folder = bdc("hdfs", "rm", "/d")
    assert (folder.code, "--recursive" in folder.err) == (1, True)
    assert files.exists("/d/x")


def test_rights(files: WebHdfs) -> None:
    alice = WebHdfs(files._base, "alice")
    files.mkdir("/private", "700")
    with pytest.raises(ForbiddenError):
        alice.mkdir("/private/x")
    with pytest.raises(ForbiddenError):
        list(alice.listing("/private"))


def test_a_source_that_breaks_off_leaves_nothing(files: WebHdfs, tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"x" * 1_000_000
        raise OSError("the disk is gone")

    copier = Copier(files)
    with pytest.raises(OSError, match="the disk is gone"):
        copier._write("/x", broken(), bytes)
    assert list(files.listing("/")) == []


def test_a_failed_download_leaves_nothing(files: WebHdfs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files.write("/x", iter([b"x" * 10]))
    monkeypatch.setattr(files, "read", lambda _path: iter([b"x" * 9]))
    with pytest.raises(ServiceError, match="9 bytes long and should be 10"):
        Copier(files).download("/x", tmp_path / "x")
    assert list(tmp_path.iterdir()) == [tmp_path / "config"]


def test_what_copy_refuses(files: WebHdfs, folder: Path, tmp_path: Path) -> None:
    copier = Copier(files)
    files.mkdir("/d")
    for error, action in (
        (UserError, lambda: copier.upload(folder, "/d")),
        (UserError, lambda: copier.download("/d", tmp_path / "d")),
        (NotFoundError, lambda: copier.upload(tmp_path / "nix", "/x")),
        (NotFoundError, lambda: copier.download("/nix", tmp_path / "x")),
        (ConflictError, lambda: copier.upload(folder / "a.csv", "/d")),
        (UserError, lambda: Copier(files, recursive=True).copy("/d", "/d/e")),
        (UserError, lambda: copier.upload(Path("/dev/null"), "/x")),
    ):
        with pytest.raises(error):
            action()


def test_ctrl_c_in_an_upload_leaves_nothing(files: WebHdfs, tmp_path: Path) -> None:
    big = tmp_path / "big"
    with big.open("wb") as opened:
        opened.truncate(4 * 2**30)  # sparse
    with subprocess.Popen(
        [sys.executable, "-m", "azdata_like_cli", "hdfs", "cp", str(big), "hdfs:/big"], stderr=subprocess.PIPE, text=True
    ) as running:
        deadline = time.monotonic() + PATIENCE
        while not list(files.listing("/")):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        assert running.wait(PATIENCE) == 130
        assert running.stderr is not None and running.stderr.read() == ""
    assert list(files.listing("/")) == []


def test_many_files_are_under_way_at_once(bdc: Run, files: WebHdfs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four of them wait for each other; then one fails, and of those under way nothing is left."""
    source = tmp_path / "many"
    source.mkdir()
    for number in range(8):
        (source / f"{number}.csv").write_text(str(number))
    met, write = threading.Barrier(4), WebHdfs.write

    def together(self: WebHdfs, path: str, blocks: Iterable[bytes], *, overwrite: bool = False) -> None:
        met.wait(PATIENCE)
        write(self, path, blocks, overwrite=overwrite)

    with monkeypatch.context() as patched:
        patched.setattr(WebHdfs, "write", together)
        assert bdc("hdfs", "cp", "-r", str(source), "hdfs:/many", "-o", "json").json == {"files": 8, "folders": 1, "bytes": 8}
    (source / "4.csv").unlink()
    (source / "4.csv").symlink_to("/dev/null")
    again = bdc("hdfs", "cp", "-r", str(source), "hdfs:/again")
    assert again.code == 1 and "neither a file nor a folder" in again.err
    assert [entry.name for entry in files.listing("/again") if entry.name.startswith("._")] == []


def test_ctrl_c_among_many_files_leaves_no_half_ones(files: WebHdfs, tmp_path: Path) -> None:
    source = tmp_path / "many"
    source.mkdir()
    for number in range(6):
        with (source / f"{number}").open("wb") as opened:
            opened.truncate(4 * 2**30)  # sparse
    copy = [sys.executable, "-m", "azdata_like_cli", "hdfs", "cp", "-r", str(source), "hdfs:/big"]
    with subprocess.Popen(copy, stderr=subprocess.PIPE) as running:
        deadline = time.monotonic() + PATIENCE
        while not (files.exists("/big") and len(list(files.listing("/big"))) > 1):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        assert running.wait(PATIENCE) == 130
        assert running.stderr is not None and running.stderr.read() == b""
    assert list(files.listing("/big")) == []


def test_two_of_one_name_do_not_race(bdc: Run, files: WebHdfs, tmp_path: Path) -> None:
    for name in ("/a/x.csv", "/b/x.csv"):
        files.write(name, iter([b"1"]))
    outcome = bdc("hdfs", "cp", "hdfs:/a/x.csv", "hdfs:/b/x.csv", str(tmp_path))
    assert outcome.code == 1 and "named x.csv" in outcome.err and not (tmp_path / "x.csv").exists()


def test_a_big_file_does_not_fill_the_memory(files: WebHdfs, tmp_path: Path) -> None:
    big = tmp_path / "big"
    with big.open("wb") as opened:
        opened.truncate(150 * 2**20)
    script = (
        "import pathlib; from azdata_like_cli.main import main;"
        f"main(['hdfs', 'cp', {str(big)!r}, 'hdfs:/big']); main(['hdfs', 'cp', 'hdfs:/big', {str(big) + '2'!r}]);"
        "print(pathlib.Path('/proc/self/status').read_text().partition('VmHWM:')[2].split()[0])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(done.stdout.splitlines()[-1]) < 80_000  # kB
    assert (tmp_path / "big2").stat().st_size == big.stat().st_size


def test_nobody_answers(bdc: Run, files: WebHdfs, home: Path) -> None:
    document = json.loads((home / "config" / "contexts.json").read_text())
    document["contexts"]["t"]["endpoints"] = {"webhdfs": "http://127.0.0.1:1/webhdfs/v1"}
    (home / "config" / "contexts.json").write_text(json.dumps(document))
    assert bdc("hdfs", "ls", "/").code == 3
    document["contexts"]["t"]["endpoints"] = {}
    (home / "config" / "contexts.json").write_text(json.dumps(document))
    outcome = bdc("hdfs", "ls", "/")
    assert outcome.code == 1
    assert "has no HDFS" in outcome.err


def test_errors_are_of_one_tree(files: WebHdfs) -> None:
    with pytest.raises(BdcError) as caught:
        files.rename("/nix", "/y")
    assert caught.value.category == "user"


@pytest.mark.parametrize("name", ["col:on.csv", "new\nline.csv"])
def test_names_that_no_later_command_could_take_are_refused(bdc: Run, files: WebHdfs, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("1")
    outcome = bdc("hdfs", "cp", str(tmp_path / name), "hdfs:/" + "target")
    assert outcome.code == 0, outcome.err  # under another name it goes
    files.mkdir("/folder")
    outcome = bdc("hdfs", "cp", str(tmp_path / name), "hdfs:/folder/")
    assert outcome.code == 1
    assert "COPYING" not in outcome.err
    assert list(files.listing("/folder")) == []


def test_a_full_disk_says_which_file(files: WebHdfs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files.write("/a", iter([b"1"]))

    def full(_self: WebHdfs, _path: str) -> Iterator[bytes]:
        raise OSError(28, "No space left on device")
        yield b""

    monkeypatch.setattr(WebHdfs, "read", full)
    with pytest.raises(UserError, match="can't be written") as caught:
        Copier(files).download("/a", tmp_path / "a")
    assert caught.value.why == "No space left on device"
    assert not list(tmp_path.glob("*a*part")) and not (tmp_path / "a").exists()


def test_a_folder_is_not_moved_into_itself(bdc: Run, files: WebHdfs) -> None:
    files.mkdir("/a/b")
    outcome = bdc("hdfs", "mv", "/a", "/a/b/c")
    assert outcome.code == 1
    assert "into itself" in outcome.err


@pytest.mark.parametrize("words", [("ls", "/nosuch"), ("ls", "/nosuch/deep"), ("cat", "/nosuch"), ("rm", "/nosuch"), ("ls", "/no*such")])
def test_what_is_not_there_comes_with_the_next_command(bdc: Run, files: WebHdfs, words: tuple[str, str]) -> None:
    outcome = bdc("hdfs", *words)
    assert outcome.code == 1 and "next:    " in outcome.err and "hdfs ls /" in outcome.err
