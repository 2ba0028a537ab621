"""``python -m controller.local VERB``: see docs/architecture.md for verbs, standard input, events and exit codes."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import traceback
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from controller.errors import ControllerError
from controller.local.errors import EXIT_INTERRUPTED, EXIT_TERMINATED, LocalError, event, exit_code
from controller.local.progress import Progress, write

if TYPE_CHECKING:
    from controller.substrates.local.layout import ClusterHome

TIMEOUT = 300.0
EXIT_INTERNAL = 5


class Terminated(BaseException):
    """SIGTERM: leave at once, in order."""


def main(arguments: list[str] | None = None) -> int:
    """Run one verb; its outcome is the last line on standard output."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        result = _run(options)
    except ControllerError as error:
        write({"event": "error", "error": event(error)})
        return exit_code(error)
    except KeyboardInterrupt:
        return _broken_off(options, "interrupted", EXIT_INTERRUPTED)
    except Terminated:
        return _broken_off(options, "terminated", EXIT_TERMINATED)
    except OSError as error:
        found = LocalError(
            "files", f"the files of the cluster can't be handled: {error}", hint="see free space, owner and mode", category="service"
        )
        write({"event": "error", "error": event(found)})
        return exit_code(found)
    except Exception as error:  # noqa: BLE001 - the reader needs an error event whatever happened
        traceback.print_exc()  # standard error: shown with --debug
        found = LocalError("internal", f"a defect of this program: {type(error).__name__}: {error}", hint="--debug", category="internal")
        write({"event": "error", "error": event(found)})
        return EXIT_INTERNAL
    write({"event": "done", "result": result})
    return 0


def _run(options: argparse.Namespace) -> dict[str, object]:
    """Imports lie here, so that a wrong command line is told at once."""
    from controller.local import backup, create, doctor, opening, showing, unit
    from controller.local.locking import cluster_lock

    progress = Progress()
    match options.verb:
        case "create":
            return create.create(options.name, options.spec, create.first_admin(_standard_input()), options.timeout, progress)
        case "restore":
            return backup.restore(options.file, options.name, options.timeout, progress)
        case "list":
            return showing.clusters()
        case "doctor":
            return doctor.doctor(opening.existing(options.name) if options.name else None)
    home = opening.complete(options.name) if options.verb in ("start", "unit", "backup", "upgrade") else opening.existing(options.name)
    if options.verb == "status":
        return showing.status(home)
    if options.verb == "unit":
        return {"name": home.name, "unit": unit.render_unit(home, system=home.path.stat().st_uid == 0)}
    with cluster_lock(home.name):
        return _alone(home, options, progress)


def _alone(home: ClusterHome, options: argparse.Namespace, progress: Progress) -> dict[str, object]:
    """The verbs that must not meet another one of the same cluster."""
    from controller.local import amend, backup, create, delete, recover, upgrade

    match options.verb:
        case "start":
            return create.start(home, options.timeout, progress)
        case "stop":
            return delete.stop(home, options.timeout, progress)
        case "delete":
            return delete.remove(home, progress)
        case "backup":
            return backup.backup(home, options.file, options.timeout, progress)
        case "upgrade":
            return upgrade.upgrade(home, options.timeout, progress)
        case "amend":
            return amend.amend(home, options.spec, progress)
        case _:
            return recover.recover(home, _standard_input())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m controller.local", description="Clusters on this machine.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb in ("create", "start", "stop", "delete", "status", "recover-admin", "unit", "amend", "backup", "restore", "upgrade"):
        one = verbs.add_parser(verb)
        one.add_argument("--name", required=verb not in ("create", "restore"))
        if verb in ("backup", "restore"):
            one.add_argument("--file", type=Path, required=True)
        if verb in ("create", "start", "stop", "backup", "restore", "upgrade"):
            one.add_argument("--timeout", type=float, default=TIMEOUT, help="seconds")
        if verb in ("create", "amend"):
            one.add_argument("--spec", type=Path, required=verb == "amend")
    verbs.add_parser("list")
    verbs.add_parser("doctor").add_argument("--name")
    return parser


def _standard_input() -> dict[str, object]:
    text = "" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.read()
    if not text.strip():
        return {}
    try:
        found = json.loads(text)
    except ValueError:
        found = None  # never shown: it may hold a password
    if not isinstance(found, dict):
        raise LocalError("invalid_request", "standard input is not one JSON object", hint='{"username": …, "password": …}')
    return found


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise Terminated


def _broken_off(options: argparse.Namespace, how: str, code: int) -> int:
    name = options.name or _name_in(options)
    next_command = (
        f"'bdc {options.verb} {name}' goes on from here" if name else f"'bdc {options.verb}' with the same spec goes on from here"
    )
    found = LocalError(how, f"{options.verb} was {how} before it was through", hint=next_command)
    write({"event": "error", "error": event(found)})
    return code


def _name_in(options: argparse.Namespace) -> str | None:
    """The cluster's name in a spec that was given without ``--name``; None where it can't be read."""
    from controller.spec import load_spec

    try:
        return load_spec(options.spec.read_text(encoding="utf-8")).name if getattr(options, "spec", None) else None
    except (OSError, UnicodeDecodeError, ControllerError):
        return None


if __name__ == "__main__":
    sys.exit(main())
