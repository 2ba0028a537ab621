"""Progress on standard error: a live table where somebody watches, plain lines everywhere else."""

from __future__ import annotations

import os
import sys
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING

from azdata_like_cli import output
from azdata_like_cli.local import Progress
from azdata_like_cli.text import harmless

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

TRANSFER_SECONDS = 0.2


def watched() -> bool:
    """Whether standard error is a terminal that can redraw."""
    try:
        return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    except ValueError:
        return False


class WorkloadProgress:
    """How each workload comes up, with the reason of each wait. A context manager; call it with each event."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._latest: dict[str, Progress] = {}
        self._started = time.monotonic()
        self._live: Live | None = None

    def __enter__(self) -> WorkloadProgress:
        if watched():
            from rich.console import Console
            from rich.live import Live

            # rich itself honours NO_COLOR
            self._live = Live(self._table(), console=Console(stderr=True), refresh_per_second=4)
            self._live.start()
        else:
            output.message(self._title)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._live is not None:
            self._live.update(self._table())
            self._live.stop()
            self._live = None

    def __call__(self, event: Progress) -> None:
        """Show one event; plain lines only tell what changed."""
        before = self._latest.get(event.workload)
        self._latest[event.workload] = event
        if self._live is not None:
            self._live.update(self._table())
        elif before is None or (before.state, before.reason) != (event.state, event.reason):
            elapsed = time.monotonic() - self._started
            output.message(f"  {elapsed:6.1f} s  {event.workload:<20} {event.state:<10} {event.reason}".rstrip())

    def _table(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        table = Table(title=self._title, title_justify="left", box=None, padding=(0, 2, 0, 0))
        for heading in ("Workload", "State", "Seconds", "Why"):
            table.add_column(heading, justify="right" if heading == "Seconds" else "left")
        colours = {"ready": "green", "done": "green", "failed": "red", "backoff": "red", "unready": "yellow"}
        for event in self._latest.values():
            # Text, not str: a reason may hold what rich takes for markup
            cells = [harmless(event.workload), harmless(event.state), f"{event.seconds:.1f}", harmless(event.reason)]
            style = colours.get(event.state, "")
            table.add_row(*(Text(cell, style=style if place == 1 else "") for place, cell in enumerate(cells)))
        return table


class TransferProgress:
    """Bytes moved so far, on one line that is redrawn; silent where nobody watches. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._moved = 0
        self._shown = self._started = time.monotonic()
        self._active = watched()

    def __call__(self, path: str, count: int) -> None:
        """``count`` more bytes went to ``path``."""
        with self._lock:
            self._moved += count
            now = time.monotonic()
            if self._active and now - self._shown >= TRANSFER_SECONDS:
                self._shown = now
                rate = self._moved / (now - self._started)
                sys.stderr.write(f"\r\x1b[K{size(self._moved)}  {size(rate)}/s  {harmless(path)[-60:]}")
                sys.stderr.flush()

    def close(self) -> None:
        """Clear the line."""
        if self._active and self._shown != self._started:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def size(count: float) -> str:
    """Bytes as people read them: ``12.3 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
