"""``python -m tests.services.kubernetes build | up FOLDER [--node]``: what tests do by fixtures, for people's shells."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.services.kubernetes import build, keeper
from tests.services.kubernetes.components import Site
from tests.services.postgresql import free_port

CANNOT = 3
"""Exit code where this machine can't have it, and says why."""


def main() -> int:
    """Command line; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.services.kubernetes", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build", help="make the cache where it is missing")
    up = commands.add_parser("up", help="a control plane, until this process is told to end (SIGTERM, Ctrl-C)")
    up.add_argument("folder", type=Path, help="made, and removed at the end; a short absolute path")
    up.add_argument("--node", action="store_true", help="with a node that runs pods")
    arguments = parser.parse_args()
    try:
        there = build.built() or build.build()
        build.link(there)
    except build.CannotBuildError as error:
        print(f"kubernetes: {error}", file=sys.stderr)
        return CANNOT
    except RuntimeError as error:
        print(f"kubernetes: error: {error}", file=sys.stderr)
        return 1
    if arguments.command == "build":
        return 0
    return keeper.keep(Site(arguments.folder.absolute(), there.programs, there.images, free_port()), arguments.node)


if __name__ == "__main__":
    sys.exit(main())
