"""Runs the cluster distribution's programs (``python -m controller.local``, ``python -m controller.config``): the client may not import it.

Contract: docs/architecture.md. Progress comes as JSON lines on the program's standard output, secrets go to its standard input.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from azdata_like_cli import passwords
from bdc.errors import AuthenticationError, BdcError, InternalError, ServiceError, UserError

Json = dict[str, object]

PROGRAM_VARIABLE = "BDC_LOCAL_PROGRAM"
"""Names another Python file than ``-m controller.local`` (tests of the events; also a wrapper such as one that uses sudo)."""

_KINDS: dict[str, type[BdcError]] = {
    "user": UserError,
    "service": ServiceError,
    "internal": InternalError,
    "authentication": AuthenticationError,
}


@dataclass(frozen=True)
class Progress:
    """One event: how a workload is, why, and how many seconds it has taken so far."""

    workload: str
    state: str
    reason: str
    seconds: float


def require_cluster_distribution() -> None:
    """UserError that says what to install when the cluster distribution is not there."""
    if os.environ.get(PROGRAM_VARIABLE) is None and importlib.util.find_spec("controller") is None:
        raise UserError(
            "this machine can't run a cluster yet",
            why="the cluster distribution is not installed beside this client",
            hint="pip install 'openbdc[local]'",
            code="not_installed",
        )


def run(
    verb: str,
    name: str | None,
    *,
    arguments: Sequence[str] = (),
    secrets: Mapping[str, str] | None = None,
    show: Callable[[Progress], None] = lambda _event: None,
    debug: bool = False,
) -> Json:
    """Run ``verb`` for the cluster ``name`` and return its result; the program's error becomes ours. ``show`` gets each progress event."""
    require_cluster_distribution()
    chosen = os.environ.get(PROGRAM_VARIABLE)
    program = [chosen] if chosen else ["-m", "controller.local"]
    command = [sys.executable, *program, verb, *(["--name", name] if name is not None else []), *arguments]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=None if debug else subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        env=passwords.environment_without(),
    )
    with process:
        try:
            _send(process, secrets)
            result = _follow(process, show)
        except BaseException as error:
            _end(process, error)
            raise
    return result


def _send(process: subprocess.Popen[str], secrets: Mapping[str, str] | None) -> None:
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # it ended at once; its error event says why
        process.stdin.write(json.dumps(dict(secrets or {})) + "\n")
        process.stdin.close()


def _follow(process: subprocess.Popen[str], show: Callable[[Progress], None]) -> Json:
    interrupts = 0
    events = _events(process)
    while True:
        try:
            for event in events:
                kind = event.get("event")
                if kind == "progress":
                    show(_progress(event))
                elif kind == "done":
                    result = event.get("result")
                    return result if isinstance(result, dict) else {}
                elif kind == "error":
                    found = failure(event.get("error"))
                    if interrupts:
                        raise KeyboardInterrupt(found)  # says what Ctrl-C left behind, once the live table is gone
                    raise found
            if interrupts:
                raise KeyboardInterrupt
            raise InternalError(
                "the cluster's program ended without a result",
                why=f"exit code {process.wait()}",
                hint="run it again with --debug to see its messages",
            )
        except KeyboardInterrupt as interrupt:
            if interrupt.args or process.poll() is not None:  # with arguments it is our own, from above
                raise
            # pass it on once as a question, then as a demand; a generator that was interrupted is over, so read on with a new one
            process.send_signal(signal.SIGINT if interrupts == 0 else signal.SIGTERM)
            interrupts += 1
            events = _events(process)


def _events(process: subprocess.Popen[str]) -> Iterator[Json]:
    assert process.stdout is not None
    while line := process.stdout.readline():
        try:
            event = json.loads(line)
        except ValueError as error:
            raise InternalError("the cluster's program wrote something that is no event", why=line[:200]) from error
        if isinstance(event, dict):
            yield event


def _end(process: subprocess.Popen[str], error: BaseException) -> None:
    """Whatever went wrong here: the program must not go on alone, nor be killed before it has cleaned up."""
    if process.poll() is None and not isinstance(error, BdcError):
        process.send_signal(signal.SIGTERM)
    if process.stdout is not None:
        with contextlib.suppress(ValueError, OSError):
            process.stdout.read()


def _progress(event: Json) -> Progress:
    seconds = event.get("seconds")
    return Progress(
        str(event.get("workload") or ""),
        str(event.get("state") or ""),
        str(event.get("reason") or ""),
        float(str(seconds)) if seconds else 0.0,
    )


def failure(details: object) -> BdcError:
    """An ``error`` event's content as one of the SDK's errors; the log's last lines go into ``why``."""
    if not isinstance(details, dict):
        return InternalError("the cluster's program failed without saying why")
    log = details.get("log")
    why = str(details.get("why") or "")
    if isinstance(log, list) and log:
        why += ("\n" if why else "") + "last lines of its log:\n" + "\n".join(f"    {str(line).expandtabs(4)}" for line in log)
    kind = _KINDS.get(str(details.get("category")), InternalError)
    return kind(
        str(details.get("message") or "the cluster's program failed"),
        where=_text(details.get("where")),
        why=why or None,
        hint=_text(details.get("hint")),
        code=_text(details.get("code")),
    )


def _text(value: object) -> str | None:
    return str(value) if value else None


def config(*arguments: str, text: str | None = None) -> object:
    """The result of ``python -m controller.config`` with ``--json``; ``text`` is its standard input."""
    require_cluster_distribution()
    done = subprocess.run(
        [sys.executable, "-m", "controller.config", *arguments, "--json"],
        input=text, capture_output=True, text=True, check=False, env=passwords.environment_without(),
    )  # fmt: skip
    try:
        answer = json.loads(done.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError) as error:
        raise InternalError("the program behind 'bdc config' failed", why=(done.stderr.strip() or "no answer").splitlines()[-1]) from error
    if "error" in answer:
        raise failure(answer["error"])
    return answer.get("result")
