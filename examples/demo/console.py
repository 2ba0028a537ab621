"""What the demo shows: headings, and each ``bdc`` command as it is typed, then what it prints."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

BDC = str(Path(sys.executable).with_name("bdc"))
STARTED = time.monotonic()


def styled(text: str, style: str) -> str:
    """``text`` in an SGR style (``1`` bold, ``2`` dim) where somebody watches."""
    return f"\x1b[{style}m{text}\x1b[0m" if sys.stdout.isatty() and "NO_COLOR" not in os.environ else text


def heading(text: str) -> None:
    """A heading, with the seconds since the demo began."""
    print("\n" + styled(f"== {text}", "1") + styled(f"  [{time.monotonic() - STARTED:.0f} s]", "2"), flush=True)


def bdc(*arguments: str, secret: str | None = None, quiet: bool = False) -> str:
    """Print and run a ``bdc`` command; its standard output, which is printed too unless ``quiet``. ``secret``: its standard input.

    A failure ends the demo with the command's exit code; the command itself has said what was wrong.
    """
    print(styled(f"$ bdc {shown(arguments)}", "1"), flush=True)
    process = subprocess.Popen(
        [BDC, *arguments], stdin=subprocess.PIPE if secret else subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )
    try:
        out, _ = process.communicate(secret)
    except KeyboardInterrupt:
        process.wait()  # the terminal sent Ctrl-C to it too: let it clean up and say what it left
        raise
    if process.returncode:
        print(out, end="", flush=True)
        sys.exit(process.returncode)
    if not quiet:
        print(out, end="", flush=True)
    return out


def shown(arguments: tuple[str, ...]) -> str:
    """The command line as a shell takes it, files of this checkout by their short path."""
    here = Path.cwd()
    return shlex.join(str(Path(word).relative_to(here)) if Path(word).is_relative_to(here) else word for word in arguments)
