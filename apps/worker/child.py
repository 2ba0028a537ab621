"""The worker itself: takes limits, loads the app by its runtime, then answers one call after the other until the host is gone.

Runs in the app's own environment: standard library only. It is as little trusted as the app's code, which can change all of it.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
import socket
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from apps.runtimes import RUNTIMES
from apps.types import TYPES, WrongTypeError
from apps.worker import limits
from apps.worker.console import Console
from apps.worker.framing import FrameError, encode, receive

Inputs = Mapping[str, Any]
Function = Callable[[Inputs], object]
CHANGED = 100
"""Names of changed files that are told."""
SENTENCE = 2000


class LoadError(Exception):
    """A runtime can't load the app; the message says why."""


def main(descriptor: int) -> None:
    """Serve the host on this socket. Ends with the process."""
    connection = socket.socket(fileno=descriptor)
    init: Any = receive(connection)
    if init is None:
        return
    os.environ.update(init.pop("secrets", None) or {})
    try:
        limits.apply(int(init["memory_mb"]), init.get("processes"))
        function = _loaded(init)
    except BaseException as error:  # noqa: BLE001 (whatever the app's import does, the host is told)
        connection.sendall(encode({"failed": _failure(error, init), "trace": _trace(error)}))
        return
    console = Console()
    sys.stdout = sys.stderr = console
    connection.sendall(encode({"ready": True}))
    _clean(os.getcwd())  # noqa: PTH109 (what the import wrote is nobody's change)
    console.take()
    while (message := receive(connection)) is not None:
        if message.get("ping") is True:
            connection.sendall(encode({"id": message["id"]}))
            continue
        _answer(connection, message, function, init["outputs"], init["inputs"], console)


def _loaded(init: dict[str, Any]) -> Function:
    module = importlib.import_module(RUNTIMES[init["runtime"]].load)
    function: Function = module.load(init)
    return function


def _answer(
    connection: socket.socket,
    message: dict[str, Any],
    function: Function,
    outputs: Mapping[str, str],
    inputs: Mapping[str, str],
    console: Console,
) -> None:
    answer: dict[str, object] = {"id": message["id"]}
    try:
        given = message["inputs"]
        found = function({name: TYPES[kind].to_python(given[name]) for name, kind in inputs.items()})
        answer["outputs"] = named_outputs(found, outputs)
    except BaseException as error:  # noqa: BLE001 (SystemExit of the app is an error of the app)
        answer["error"], answer["trace"] = _sentence(error), _trace(error)
    answer["console"], answer["changed"] = console.take(), _clean(os.getcwd())  # noqa: PTH109
    try:
        frame = encode(answer)
    except (FrameError, ValueError, MemoryError) as error:
        frame = encode({"id": message["id"], "error": f"the answer can't be sent: {error}", "console": "", "changed": []})
    connection.sendall(frame)


def named_outputs(found: object, outputs: Mapping[str, str]) -> dict[str, object]:
    """What the function gave, under the names of the spec: a dict with just these names, one value for one output, or as many values as
    there are outputs, in their order. WrongTypeError names the output that is of another type."""
    if isinstance(found, Mapping) and set(found) == set(outputs):
        values = {name: found[name] for name in outputs}
    elif len(outputs) == 1:
        values = {next(iter(outputs)): found}
    elif isinstance(found, Mapping):
        raise WrongTypeError(f"the outputs must be {', '.join(outputs)}; the app gave {', '.join(map(str, found))[:200] or 'none'}")
    elif isinstance(found, tuple | list) and len(found) == len(outputs):
        values = dict(zip(outputs, found, strict=True))
    else:
        raise WrongTypeError(f"there must be {len(outputs)} outputs ({', '.join(outputs)}); the app gave one {type(found).__name__}")
    answer = {}
    for name, value in values.items():
        try:
            answer[name] = TYPES[outputs[name]].to_json(value)
        except WrongTypeError as error:
            raise WrongTypeError(f"output {name}: {error}") from None
    return answer


def _sentence(error: BaseException) -> str:
    if isinstance(error, WrongTypeError):
        return str(error)
    if isinstance(error, MemoryError):
        return "it ran out of memory (resources.memory in spec.yaml)"
    return f"{type(error).__name__}: {error}"[:SENTENCE]


def _failure(error: BaseException, init: Mapping[str, Any]) -> str:
    if isinstance(error, LoadError):
        return str(error)
    return f"{init['src']} can't be loaded: {_sentence(error)}"


def _trace(error: BaseException) -> str:
    """For the app's log: the frames of the app, without ours."""
    with contextlib.suppress(Exception):
        frames = traceback.extract_tb(error.__traceback__)
        ours = f"{os.sep}apps{os.sep}worker{os.sep}"
        shown = [frame for frame in frames if ours not in frame.filename and "importlib" not in frame.filename]
        return "".join(traceback.format_list(shown))[-8000:]
    return ""


def _clean(folder: str) -> list[str]:
    """The names of what the call left in its folder, which is then removed."""
    names = os.listdir(folder)  # noqa: PTH208 (microseconds count here)
    for name in names:
        path = os.path.join(folder, name)  # noqa: PTH118
        with contextlib.suppress(OSError):
            if os.path.isdir(path) and not os.path.islink(path):  # noqa: PTH112, PTH114
                shutil.rmtree(path, ignore_errors=True)
            else:
                os.unlink(path)  # noqa: PTH108
    return sorted(names)[:CHANGED]
