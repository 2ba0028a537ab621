"""Commands that run in the process of the tests answer SIGTERM themselves: what ended one was meant for the whole run.

SIGINT needs no such care: the run's own handler (``conftest.py``) has heard it first.
"""

from __future__ import annotations

TERMINATED = 143
"""Exit code of a command that SIGTERM ended."""


def heeded(code: int) -> int:
    """The exit code; KeyboardInterrupt, which ends the run, when SIGTERM ended the command."""
    if code == TERMINATED:
        raise KeyboardInterrupt("a command was ended by SIGTERM")
    return code
