"""Packages: the same bytes for the same files, and nothing that leads out of the folder, either way."""

from __future__ import annotations

import gzip
import io
import os
import pathlib
import shutil
import tarfile

import pytest

from apps import package
from apps.errors import PackageError, PackageSizeError
from tests.apps.folders import app


def archive(*members: tuple[str, bytes | str]) -> bytes:
    """(name, content), or (name, ``-> target``), (name, ``dir``), (name, ``fifo``)."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
                continue
            info.type = {"d": tarfile.DIRTYPE, "f": tarfile.FIFOTYPE, "-": tarfile.SYMTYPE, "=": tarfile.LNKTYPE}[content[0]]
            info.linkname = content[3:]
            tar.addfile(info)
    return gzip.compress(made.getvalue())


def test_the_same_files_make_the_same_bytes(tmp_path: pathlib.Path) -> None:
    first = app(tmp_path / "a", model__data_bin=b"\0" * 1000)
    second = tmp_path / "b"
    shutil.copytree(first, second)
    os.utime(second / "add.py", (1, 1))
    (second / "__pycache__").mkdir()
    (second / "__pycache__" / "x.pyc").touch()
    packed = package.pack(first)
    assert packed == package.pack(second)
    assert packed.files == ("add.py", "model/data.bin", "spec.yaml")
    (second / "add.py").write_text("other")
    assert package.pack(second).digest != packed.digest


def test_there_and_back_and_closed(tmp_path: pathlib.Path) -> None:
    packed = package.pack(app(tmp_path / "a"))
    assert package.unpack(packed.archive, tmp_path / "b") == packed.digest
    assert (tmp_path / "b" / "add.py").read_text() == (tmp_path / "a" / "add.py").read_text()
    assert [(tmp_path / "b").stat().st_mode & 0o777, (tmp_path / "b" / "add.py").stat().st_mode & 0o777] == [0o555, 0o444]
    package.remove(tmp_path / "b")
    package.remove(tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_links_inside_are_packed_as_files_and_others_refused(tmp_path: pathlib.Path) -> None:
    folder = app(tmp_path / "a")
    (folder / "same.py").symlink_to("add.py")
    assert "same.py" in package.pack(folder).files
    for target in ("/etc/passwd", "../other", "."):
        (folder / "bad").symlink_to(target)
        with pytest.raises(PackageError, match="link"):
            package.pack(folder)
        (folder / "bad").unlink()
    os.mkfifo(folder / "pipe")
    with pytest.raises(PackageError, match="is no file"):
        package.pack(folder)


@pytest.mark.parametrize(
    "member",
    [
        ("../x", b""), ("/etc/x", b""), ("a/../../x", b""), ("a/./b", b""), ("a\\b", b""), ("a\nb", b""), ("", b""),
        ("x", "-> /etc/passwd"), ("x", "=> spec.yaml"), ("x", "f"), ("x", "d"),
    ],
)  # fmt: skip
def test_an_archive_that_leads_out_is_refused(tmp_path: pathlib.Path, member: tuple[str, bytes | str]) -> None:
    with pytest.raises(PackageError):
        package.unpack(archive(("spec.yaml", b"a"), member), tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} <= {"out"}


@pytest.mark.parametrize(
    "content", [b"", b"no", gzip.compress(b"no tar at all" * 100), gzip.compress(b""), archive(("a", b"x" * 999))[:-20]]
)
def test_what_is_no_archive(tmp_path: pathlib.Path, content: bytes) -> None:
    with pytest.raises(PackageError):
        package.unpack(content, tmp_path / "out")


def test_a_name_that_comes_twice(tmp_path: pathlib.Path) -> None:
    with pytest.raises(PackageError, match="twice"):
        package.unpack(archive(("a", b"1"), ("a", b"2")), tmp_path / "out")


def test_sizes(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "MAX_BYTES", 100_000)
    monkeypatch.setattr(package, "MAX_FILES", 10)
    with pytest.raises(PackageSizeError):
        package.pack(app(tmp_path / "a", big_bin=b"\0" * 100_000))
    with pytest.raises(PackageSizeError):
        package.unpack(archive(("bomb", b"\0" * 50_000_000)), tmp_path / "b")
    with pytest.raises(PackageSizeError):
        package.unpack(archive(*((f"f{number}", b"") for number in range(11))), tmp_path / "c")
