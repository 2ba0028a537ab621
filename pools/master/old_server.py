"""Starts a PostgreSQL that looks for extensions in its own folder only (before 18): the server of the system, unchanged, in a tree of its
own whose ``extension`` folder holds the cluster's extension too.

    python -m pools.master.old_server TREE EXTENSION POSTGRES ARGUMENTS…

PostgreSQL finds its folders by where its program lies. So the program is copied into ``TREE``, which is laid anew at each start; all else
there are links to the system's files and to those in ``EXTENSION``. Nothing of the system is touched, and its updates are taken up.
Then this process becomes the server.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

SECONDS = 20


class TreeError(Exception):
    """The tree can't be laid; the message says why."""


def lay_tree(tree: Path, extension: Path, postgres: Path) -> Path:
    """The program to run. ``extension``: a folder with one extension; ``postgres``: the system's, with ``pg_config`` beside it.
    Raises ``TreeError``, ``OSError``."""
    binaries, share, libraries = (_folder(postgres, name) for name in ("bindir", "sharedir", "pkglibdir"))
    top = Path(os.path.commonpath((binaries, share, libraries)))
    shutil.rmtree(tree, ignore_errors=True)
    places = {folder: tree / folder.relative_to(top) for folder in (binaries, share, libraries)}
    for folder in (binaries, share):
        places[folder].mkdir(parents=True, exist_ok=True)
    _link(share, places[share], besides="extension")
    (places[share] / "extension").mkdir()
    _link(share / "extension", places[share] / "extension")
    for file in extension.iterdir():
        link = places[share] / "extension" / file.name
        link.unlink(missing_ok=True)
        link.symlink_to(file)
    if not places[libraries].exists():
        places[libraries].parent.mkdir(parents=True, exist_ok=True)
        places[libraries].symlink_to(libraries)
    return Path(shutil.copy(postgres, places[binaries]))


def _folder(postgres: Path, name: str) -> Path:
    program = postgres.with_name("pg_config")
    try:
        said = subprocess.run([program, f"--{name}"], capture_output=True, text=True, timeout=SECONDS, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise TreeError(f"{program} can't be run, so it is not known where the extensions of {postgres} lie: {error}") from error
    return Path(said.strip())


def _link(source: Path, target: Path, besides: str = "") -> None:
    for file in source.iterdir():
        if file.name != besides:
            (target / file.name).symlink_to(file)


def main() -> int:
    """The command line; returns only when it failed."""
    tree, extension, postgres = (Path(part) for part in sys.argv[1:4])
    try:
        program = lay_tree(tree, extension, postgres.resolve())
        os.execv(program, [str(program), *sys.argv[4:]])  # noqa: S606 - a program of the spec, without a shell
    except (TreeError, OSError) as error:
        sys.stderr.write(f"PostgreSQL can't be started: {error}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
