"""Commands that run in the process of the tests answer signals themselves: one that ends them means the whole run."""

from __future__ import annotations

ENDED = (130, 143)
"""Exit codes of a command that SIGINT or SIGTERM ended."""


def heeded(code: int) -> int:
    """The exit code; KeyboardInterrupt, which ends the run, when a signal ended the command."""
    if code in ENDED:
        raise KeyboardInterrupt(f"a command was ended: exit code {code}")
    return code
