"""Every state that small models can reach, and readers that look from each state at all that follow."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import TypeVar

S = TypeVar("S", bound=Hashable)
R = TypeVar("R", bound=Hashable)

Reached = dict[S, tuple[S | None, str]]
"""State → where it was reached from first, and how."""


def explored(first: S, steps: Callable[[S], Iterable[tuple[str, S]]]) -> tuple[Reached[S], dict[S, list[S]]]:
    """Breadth first; and what follows each state."""
    reached: Reached[S] = {first: (None, "")}
    follows: dict[S, list[S]] = {}
    queue = deque(reached)
    while queue:
        state = queue.popleft()
        follows[state] = []
        for name, after in steps(state):
            follows[state].append(after)
            if after not in reached:
                reached[after] = (state, name)
                queue.append(after)
    return reached, follows


def story(reached: Reached[S], state: S | None) -> str:
    """The steps that led there."""
    names = []
    while state is not None:
        state, name = reached[state]
        names.append(name)
    return "\n".join(reversed(names))


def held(follows: dict[S, list[S]], pinned: Callable[[S], R]) -> Iterator[tuple[S, R]]:
    """Each reader that may be there, in each state: of that state, or of one before it."""
    there: dict[S, set[R]] = {state: {pinned(state)} for state in follows}
    queue = deque((state, reader) for state, readers in there.items() for reader in readers)
    while queue:
        state, reader = queue.popleft()
        yield state, reader
        for after in follows[state]:
            if reader not in there[after]:
                there[after].add(reader)
                queue.append((after, reader))
