"""Environments: built once from a wheelhouse without a network, kept by what goes into them, and a clear word where they can't be had."""

from __future__ import annotations

import base64
import hashlib
import pathlib
import subprocess
import sys
import zipfile

import pytest

from apps import environments
from apps.environments import Environments
from apps.errors import StartError


def wheel(folder: pathlib.Path, name: str, version: str = "1.0") -> pathlib.Path:
    """A real wheel with one module."""
    folder.mkdir(exist_ok=True)
    path, info = folder / f"{name}-{version}-py3-none-any.whl", f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{place},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip('=')},{len(text)}\n"
        for place, text in files.items()
    )
    with zipfile.ZipFile(path, "w") as archive:
        for place, text in {**files, f"{info}/RECORD": record + f"{info}/RECORD,,\n"}.items():
            archive.writestr(place, text)
    return path


def said(python: str, code: str) -> str:
    return subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_without_requirements_it_is_the_base_one(tmp_path: pathlib.Path) -> None:
    assert Environments(tmp_path).python((), tmp_path) == sys.executable
    assert list(tmp_path.iterdir()) == []


def test_from_a_wheelhouse_once_and_of_its_own(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "package").mkdir()
    wheel(tmp_path / "package" / "wheels", "mine")
    found = Environments(tmp_path / "environments")
    python = found.python(("mine>=1",), tmp_path / "package")
    assert said(python, "import mine; print(mine.VERSION)") == "1.0"
    with pytest.raises(subprocess.CalledProcessError):
        said(python, "import duckdb")  # which the cluster's own environment has
    monkeypatch.setattr(environments, "uv", lambda: pytest.fail("it is there already"))
    assert found.python(("mine>=1",), tmp_path / "package") == python


def test_one_that_lost_its_links_in_a_backup_is_made_anew(tmp_path: pathlib.Path) -> None:
    (tmp_path / "package").mkdir()
    wheel(tmp_path / "package" / "wheels", "mine")
    python = Environments(tmp_path / "environments").python(("mine",), tmp_path / "package")
    for link in pathlib.Path(python).parent.iterdir():
        if link.is_symlink():
            link.unlink()
    assert Environments(tmp_path / "environments").python(("mine",), tmp_path / "package") == python
    assert said(python, "import mine; print(mine.VERSION)") == "1.0"


def test_another_wheel_is_another_environment(tmp_path: pathlib.Path) -> None:
    (tmp_path / "package").mkdir()
    wheel(tmp_path / "package" / "wheels", "mine")
    found = Environments(tmp_path / "environments")
    first = found.python(("mine",), tmp_path / "package")
    wheel(tmp_path / "package" / "wheels", "mine", "2.0")
    second = found.python(("mine",), tmp_path / "package")
    assert first != second
    assert said(second, "import mine; print(mine.VERSION)") == "2.0"


def test_what_can_not_be_had_leaves_nothing(tmp_path: pathlib.Path) -> None:
    (tmp_path / "package").mkdir()
    wheel(tmp_path / "package" / "wheels", "mine")
    with pytest.raises(StartError, match=r"the requirements can't be had: .*other"):
        Environments(tmp_path / "environments").python(("mine", "other==3"), tmp_path / "package")
    assert {path.name for path in (tmp_path / "environments").iterdir()} <= {"cache"}
