"""Files of Spark jobs on their way into HDFS, and what is said where PySpark is missing."""

from __future__ import annotations

import pathlib
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from azdata_like_cli.groups.monitor import followed
from azdata_like_cli.sparkfiles import KEPT_SECONDS, Upload, url
from azdata_like_cli.sparkshell import client_python
from bdc.errors import NotFoundError, UserError


@dataclass
class StandInFiles:
    """HDFS as far as uploads need it: path → content, folder → time of change in seconds."""

    written: dict[str, bytes] = field(default_factory=dict)
    folders: dict[str, float] = field(default_factory=dict)
    modes: dict[str, str | None] = field(default_factory=dict)

    def mkdir(self, path: str, permission: str | None = None) -> None:
        self.modes[path] = permission

    def write(self, path: str, blocks: Iterable[bytes], *, overwrite: bool = False) -> None:
        assert not overwrite
        self.written[path] = b"".join(blocks)

    def listing(self, path: str) -> Iterator[SimpleNamespace]:
        if not self.folders:
            raise NotFoundError(f"File does not exist: {path}")
        for name, at in self.folders.items():
            yield SimpleNamespace(path=f"{path}/{name}", folder=True, modified=at * 1000)

    def delete(self, path: str, *, recursive: bool = False) -> None:
        assert recursive
        del self.folders[path.rsplit("/", 1)[1]]


def upload(files: StandInFiles) -> Upload:
    return Upload(files, "ann")  # type: ignore[arg-type]


def test_a_file_of_this_machine_goes_to_a_folder_that_only_its_owner_reads(tmp_path: pathlib.Path) -> None:
    program = tmp_path / "zähl mal.py"
    program.write_bytes(b"print(1)")
    files = StandInFiles()
    made = url(str(program), upload(files))
    (path,) = files.written
    assert path.startswith("/user/ann/.spark-jobs/") and path.endswith("/zähl mal.py") and files.written[path] == b"print(1)"
    assert made.startswith("hdfs:///user/ann/.spark-jobs/") and made.endswith("/z%C3%A4hl%20mal.py")
    assert list(files.modes.values()) == ["700"]


def test_urls_are_taken_as_they_are_and_missing_files_are_named() -> None:
    files = StandInFiles()
    assert url("hdfs:///user/ann/count.py", upload(files)) == "hdfs:///user/ann/count.py"
    assert not files.written
    with pytest.raises(UserError, match=r"there is no file count\.py"):
        url("count.py", upload(files))


def test_two_files_of_one_name_are_refused(tmp_path: pathlib.Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.py").touch()
    one = upload(StandInFiles())
    url(str(tmp_path / "a" / "x.py"), one)
    with pytest.raises(UserError, match=r"two files of the job are named x\.py"):
        url(str(tmp_path / "b" / "x.py"), one)


def test_folders_of_forgotten_jobs_go_but_not_those_about_to_be_used() -> None:
    old = time.time() - 2 * KEPT_SECONDS
    files = StandInFiles(folders={"kept": old, "forgotten": old, "fresh": time.time()})
    upload(files).sweep([{"id": 1, "file": "hdfs:///user/ann/.spark-jobs/kept/a.py", "py_files": []}])
    assert set(files.folders) == {"kept", "fresh"}
    upload(StandInFiles()).sweep([])  # nobody ever submitted anything


def test_a_python_without_pyspark_is_told_what_to_install() -> None:
    with pytest.raises(UserError, match="can't be run") as told:
        client_python("/nonexistent/python")
    assert "openbdc[spark-client]" in str(told.value.hint)


def test_a_followed_log_ends_with_its_job_and_misses_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("azdata_like_cli.groups.monitor.FOLLOW_SECONDS", 0.0)
    states = iter([["a"], ["a", "b"], ["a", "b", "c", "d"]])
    ends = iter([False, True])
    assert list(followed(lambda _most: next(states), lambda: next(ends))) == ["a", "b", "c", "d"]
