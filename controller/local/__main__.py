"""``python -m controller.local VERB``: see docs/architecture.md for verbs, standard input, events and exit codes."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import traceback
from pathlib import Path
from types import FrameType

from controller.errors import ControllerError
from controller.local.errors import EXIT_INTERRUPTED, EXIT_TERMINATED, LocalError, event, exit_code
from controller.local.progress import Progress, write

TIMEOUT = 300.0
EXIT_INTERNAL = 5
WITH_SECRETS = ("create", "recover-admin")


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
    from controller.local import create, delete, opening, recover, showing, unit
    from controller.local.locking import cluster_lock

    progress = Progress()
    given = _standard_input() if options.verb in WITH_SECRETS else {}
    if options.verb == "create":
        return create.create(options.name, options.spec, create.first_admin(given), options.timeout, progress)
    if options.verb == "list":
        return showing.clusters()
    home = opening.complete(options.name) if options.verb in ("start", "unit") else opening.existing(options.name)
    if options.verb == "status":
        return showing.status(home)
    if options.verb == "unit":
        return {"name": home.name, "unit": unit.render_unit(home, system=home.path.stat().st_uid == 0)}
    with cluster_lock(home.name):
        if options.verb == "start":
            return create.start(home, options.timeout, progress)
        if options.verb == "stop":
            return delete.stop(home, options.timeout, progress)
        if options.verb == "delete":
            return delete.remove(home, progress)
        return recover.recover(home, given)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m controller.local", description="Clusters on this machine.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb in ("create", "start", "stop", "delete", "status", "recover-admin", "unit"):
        one = verbs.add_parser(verb)
        one.add_argument("--name", required=verb != "create")
        if verb in ("create", "start", "stop"):
            one.add_argument("--timeout", type=float, default=TIMEOUT, help="seconds")
        if verb == "create":
            one.add_argument("--spec", type=Path)
    verbs.add_parser("list")
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
