"""The build of the test cluster: whole or not there, once, again where its sources changed; Go from where it can be had."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.services.kubernetes import build, golang


def test_a_folder_is_whole_or_not_there(tmp_path: Path) -> None:
    def cut(folder: Path) -> None:
        (folder / "half").touch()
        raise RuntimeError("cut")

    with pytest.raises(RuntimeError, match="cut"):
        build.made(tmp_path / "programs", cut)
    assert not (tmp_path / "programs").exists()
    build.made(tmp_path / "programs", lambda folder: (folder / "whole").touch())
    assert {path.name for path in (tmp_path / "programs").iterdir()} == {"half", "whole"}  # it went on where it was cut
    build.made(tmp_path / "programs", cut)  # there: nothing to do


def test_two_builds_at_once_are_one(tmp_path: Path) -> None:
    began: list[str] = []

    def slow(folder: Path) -> None:
        began.append(folder.name)

    def one() -> None:
        with build.locked(tmp_path / "lock"):
            build.made(tmp_path / "programs", slow)

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert began == ["programs.part"]


def test_the_digest_is_of_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    (tmp_path / "b").write_text("2")
    first = build.digest(tmp_path.iterdir())
    assert first == build.digest(reversed(sorted(tmp_path.iterdir())))
    (tmp_path / "b").write_text("3")
    assert build.digest(tmp_path.iterdir()) != first


def test_the_version_of_kubernetes_is_linked_in() -> None:
    assert "-X k8s.io/component-base/version.gitVersion=v1.35." in build.linker_flags()


@pytest.mark.parametrize(
    ("said", "version"), [("go version go1.26.8 linux/amd64", (1, 26)), ("go version go1.19 linux/amd64", (1, 19)), ("", (0, 0))]
)
def test_the_version_of_go_is_read(tmp_path: Path, said: str, version: tuple[int, int]) -> None:
    program = tmp_path / "go"
    program.write_text(f"#!/bin/sh\necho {said}\n")
    program.chmod(0o755)
    assert golang.version(str(program)) == version


def test_go_is_brought_where_the_machine_has_none_that_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    brought: list[Path] = []

    def install(folder: Path) -> None:
        brought.append(folder)
        (folder / "bin").mkdir(parents=True)
        (folder / "bin" / "go").write_text("#!/bin/sh\necho go version go1.26.6 linux/amd64\n")
        (folder / "bin" / "go").chmod(0o755)

    monkeypatch.setattr(golang, "PLACES", ("no-go-here",))
    monkeypatch.setattr(golang, "install", install)
    assert golang.find(tmp_path) == golang.find(tmp_path) == str(tmp_path / "go" / "bin" / "go")
    assert brought == [tmp_path / "go"]


def test_a_machine_that_cannot_have_it_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert "needs root" in str(build.why_not())
    with pytest.raises(build.CannotBuildError, match="needs root"):
        build.build()
