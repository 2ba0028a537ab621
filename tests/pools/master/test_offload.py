"""The master's module: built where there is a compiler, named in the server's settings where it is there. What it does is tested with the
whole way in ``tests/pools/compute/test_whole_queries.py``."""

from __future__ import annotations

import pathlib
import re

import pytest

from pools.master import offload
from pools.master.offload import building
from pools.master.workloads import MasterSettings, workloads
from tests.services.postgresql import bin_folder


def _conf(settings: MasterSettings) -> str:
    return next(file.content for file in workloads(settings)[0].files if file.path == "postgresql.conf")


def test_sessions_load_it_where_it_is_there() -> None:
    assert "session_preload_libraries = '\"/some where/bdc_offload.so\"'\n" in _conf(MasterSettings(offload="/some where/bdc_offload.so"))
    assert "preload" not in _conf(MasterSettings())


def test_it_is_built_once(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = building.built(bin_folder() / "pg_config", 18, tmp_path / "modules")
    assert path.name == offload.file_name(18)
    assert path.read_bytes()[:4] == b"\x7fELF"
    monkeypatch.setattr(building, "COMPILERS", ())
    assert building.built(bin_folder() / "pg_config", 18, tmp_path / "modules") == path


def test_without_a_compiler_it_says_what_to_install(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "COMPILERS", ("no-such-compiler",))
    with pytest.raises(building.NotBuiltError, match="no C compiler") as refused:
        building.built(bin_folder() / "pg_config", 18, tmp_path)
    assert "apt-get install gcc" in refused.value.hint


def test_without_headers_or_for_another_server_it_is_not_built(tmp_path: pathlib.Path) -> None:
    with pytest.raises(building.NotBuiltError, match="can't be run"):
        building.built(tmp_path / "pg_config", 18, tmp_path)
    with pytest.raises(building.NotBuiltError, match="made for PostgreSQL 18"):
        building.built(bin_folder() / "pg_config", 19, tmp_path)


def test_a_compiler_that_fails_is_told(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "COMPILERS", ("false",))
    with pytest.raises(building.NotBuiltError, match="can't build it"):
        building.built(bin_folder() / "pg_config", 18, tmp_path)
    assert not list(tmp_path.iterdir())


def test_its_name_follows_its_sources(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert re.fullmatch(r"bdc_offload-18-[0-9a-f]{16}\.so", offload.file_name(18))
    assert offload.file_name(18) != offload.file_name(19)
    assert [source.name for source in offload.sources()] == ["eligible.c", "offload.c", "offload.h", "text.c"]
