"""What is fuzzed: a parser with its good inputs, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

Refusal = tuple[type[Exception], ...]


@dataclass(frozen=True)
class Target:
    """``run`` takes an input and returns what is wrong with having accepted it, None where it may; ``refusals`` are no crash.
    ``share``: of all inputs, per mille."""

    name: str
    good: tuple[bytes, ...]
    run: Callable[[bytes], str | None]
    refusals: Refusal
    share: int


@dataclass
class Outcome:
    """Of all targets."""

    inputs: int = 0
    crashes: list[str] = field(default_factory=list)
    accepted_wrongly: list[str] = field(default_factory=list)
    by_target: dict[str, int] = field(default_factory=dict)
