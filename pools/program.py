"""A service as a program: ``python -m MODULE --config FILE``, which says in JSON lines how it fares and ends in good order.

Exit codes: 0 told to end, 1 it can't serve (a port, a certificate), 2 bad settings.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from pools.tls import CertificateFileError

Settings = TypeVar("Settings")


def tell(level: str, message: str, **more: Any) -> None:  # noqa: ANN401 (JSON)
    """A line for the log."""
    sys.stdout.write(json.dumps({"level": level, "event": message, **more}) + "\n")
    sys.stdout.flush()


def told_to_stop() -> asyncio.Event:
    """Set by SIGTERM and SIGINT, where this is the main thread. In a running event loop."""
    stop = asyncio.Event()
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


@dataclass(frozen=True)
class Program(Generic[Settings]):
    """``words``: the module's docstring, its first line is the help's. ``read``: the settings from their file. ``serve``: until told to
    end; may give an exit code."""

    module: str
    words: str | None
    read: Callable[[Path], Settings]
    serve: Callable[[Settings], Coroutine[Any, Any, int | None]]
    tell: Callable[[str, str], None] = tell
    run: Callable[[Coroutine[Any, Any, int | None]], int | None] = asyncio.run

    def main(self, arguments: list[str] | None) -> int:
        """The exit code."""
        parser = argparse.ArgumentParser(prog=f"python -m {self.module}", description=(self.words or "").partition("\n")[0])
        parser.add_argument("--config", type=Path, required=True, help="JSON file of settings")
        path = parser.parse_args(arguments).config
        try:
            settings = self.read(path)
        except (OSError, ValueError, LookupError, TypeError) as error:
            said = str(error) if str(path) in str(error) else f"{path}: {type(error).__name__}: {error}"
            self.tell("error", f"bad settings: {said}")
            return 2
        try:
            with contextlib.suppress(KeyboardInterrupt):
                return self.run(self.serve(settings)) or 0
        except (OSError, CertificateFileError) as error:
            self.tell("error", str(error))
            return 1
        return 0
