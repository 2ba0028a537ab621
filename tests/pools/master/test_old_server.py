"""The tree in which an older PostgreSQL finds the cluster's extension; ``tests/cluster/test_debian_postgresql.py`` runs a cluster so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pools.master.old_server import TreeError, lay_tree
from tests.services.postgresql import bin_folder

FOLDERS = {"bindir": "bin", "sharedir": "share/postgresql", "pkglibdir": "lib/postgresql"}


def system(place: Path) -> Path:
    """Folders like a server's, in which ``postgres`` prints where it lies and what it is told."""
    for folder in (*FOLDERS.values(), "share/postgresql/extension", "share/postgresql/timezonesets"):
        (place / folder).mkdir(parents=True, exist_ok=True)
    (place / "share/postgresql/extension/plpgsql.control").write_text("plpgsql")
    (place / "share/postgresql/extension/bdc.control").write_text("of an older product")
    cases = "; ".join(f"--{name}) echo {place / folder}" + " ;" for name, folder in FOLDERS.items())
    (place / "bin/pg_config").write_text(f"#!/bin/sh\ncase $1 in {cases}; esac\n")
    (place / "bin/postgres").write_text('#!/bin/sh\necho "$0" "$@"\n')
    for name in ("pg_config", "postgres"):
        (place / "bin" / name).chmod(0o755)
    return place / "bin" / "postgres"


def extension(place: Path) -> Path:
    place.mkdir()
    (place / "bdc.control").write_text("ours")
    (place / "bdc--1.0.sql").write_text("SELECT 1")
    return place


def test_the_tree_has_all_of_the_systems_and_the_extension(tmp_path: Path) -> None:
    postgres, ours, tree = system(tmp_path / "usr"), extension(tmp_path / "extension"), tmp_path / "tree"
    for _ in range(2):  # a second start lays it anew
        assert lay_tree(tree, ours, postgres) == tree / "bin" / "postgres"
    assert not (tree / "bin" / "postgres").is_symlink()  # by a link the server would find the system's folders
    found = {path.name: path.read_text() for path in (tree / "share/postgresql/extension").iterdir()}
    assert found == {"plpgsql.control": "plpgsql", "bdc.control": "ours", "bdc--1.0.sql": "SELECT 1"}
    assert (tree / "share/postgresql/timezonesets").resolve() == tmp_path / "usr/share/postgresql/timezonesets"
    assert (tree / "lib/postgresql").resolve() == tmp_path / "usr/lib/postgresql"
    assert (tmp_path / "usr/share/postgresql/extension/bdc.control").read_text() == "of an older product"


def test_the_process_becomes_the_server(tmp_path: Path) -> None:
    postgres, ours = system(tmp_path / "usr"), extension(tmp_path / "extension")
    done = started(tmp_path / "tree", ours, postgres)
    assert done.stdout == f"{tmp_path / 'tree/bin/postgres'} -D data\n"


def test_without_pg_config_it_says_so(tmp_path: Path) -> None:
    postgres, ours = system(tmp_path / "usr"), extension(tmp_path / "extension")
    postgres.with_name("pg_config").unlink()
    with pytest.raises(TreeError, match="pg_config can't be run"):
        lay_tree(tmp_path / "tree", ours, postgres)
    done = started(tmp_path / "tree", ours, postgres)
    assert done.returncode == 1 and "PostgreSQL can't be started" in done.stderr and "Traceback" not in done.stderr


def test_the_wheels_folders_can_be_laid_too(tmp_path: Path) -> None:
    program = lay_tree(tmp_path / "tree", extension(tmp_path / "extension"), bin_folder() / "postgres")
    assert "PostgreSQL" in subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout


def started(tree: Path, ours: Path, postgres: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pools.master.old_server", *map(str, (tree, ours, postgres)), "-D", "data"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
