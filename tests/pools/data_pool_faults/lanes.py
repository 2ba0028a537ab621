"""What a reader may see. A *lane* is one writer's rows in all tables; each of its operations takes all of them from one state to the
next, or leaves them. A reader's transaction must see exactly one of the states that were possible while it looked, in all tables at once.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Rows = Mapping[int, int]
"""id → value"""

State = Mapping[str, Rows]
"""Table → the lane's rows in it. Never changed once made."""

Seen = Mapping[str, list[tuple[int, int]]]
"""Table → the lane's rows (id, value) as a reader found them, in any order."""

Wrong = Literal["lost", "doubled", "half_seen"]


@dataclass
class Proposal:
    """A state, and whether the operation that makes it has happened: None as long as nobody knows."""

    state: State
    done: bool | None = None
    seen: bool = False
    """A reader has seen it, while it was not known to have happened."""


@dataclass
class Lane:
    """The states of one lane in their order; used by its writer and by all readers."""

    number: int
    proposals: list[Proposal]
    found: Counter[Wrong] = field(default_factory=Counter)
    lines: list[str] = field(default_factory=list)
    """What was wrong, in words."""

    lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def empty(cls, number: int, tables: Iterable[str]) -> Lane:
        """With no rows yet."""
        return cls(number, [Proposal({table: {} for table in tables}, done=True)])

    @property
    def state(self) -> State:
        """The last that is known to have happened."""
        with self.lock:
            return next(one.state for one in reversed(self.proposals) if one.done)

    def propose(self, changed: Mapping[str, Rows]) -> Proposal:
        """An operation begins, which makes these tables of the lane so."""
        made = Proposal({**self.state, **changed})
        with self.lock:
            self.proposals.append(made)
        return made

    def resolve(self, proposal: Proposal, done: bool) -> None:
        """It is known whether the operation has happened."""
        with self.lock:
            if proposal.seen and not done:
                self._wrong("half_seen", "a state was seen of an operation that has not happened")
            proposal.done = done

    def begin_reading(self) -> int:
        """Before a reader's transaction begins: no state before this one may be seen by it."""
        with self.lock:
            return max(place for place, one in enumerate(self.proposals) if one.done or one.seen)

    def judge(self, since: int, seen: Seen) -> None:
        """After it has ended. ``since``: what ``begin_reading`` answered."""
        rows = {table: Counter(found) for table, found in seen.items()}
        twice = [(table, one) for table, found in rows.items() for one, count in found.items() if count > 1]
        with self.lock:
            if twice:
                self._wrong("doubled", f"{twice[0][0]} has the row {twice[0][1]} twice ({len(twice)} such rows)")
                return
            possible = [one for one in self.proposals[since:] if one.done is not False and _same(one.state, rows)]
            if possible:
                # an operation may have changed nothing: only what nothing else explains was seen of one that is not known to have happened
                if not any(one.done for one in possible):
                    possible[0].seen = True
                return
            older = any(_same(one.state, rows) for one in self.proposals[:since] if one.done)
            wrong: Wrong = "lost" if older else "half_seen"
            self._wrong(wrong, self._difference(rows) + (" (as an older state)" if older else ""))

    def report(self, kind: Wrong, line: str) -> None:
        """Something else than a reader has found it."""
        with self.lock:
            self._wrong(kind, line)

    def _difference(self, rows: Mapping[str, Counter[tuple[int, int]]]) -> str:
        last = self.proposals[-1]
        parts = []
        for table, wanted in last.state.items():
            expected = Counter(wanted.items())
            missing, more = expected - rows[table], rows[table] - expected
            if missing or more:
                parts.append(
                    f"{table}: {len(wanted)} wanted, missing {sorted(missing)[:3]}…{len(missing)}, more {sorted(more)[:3]}…{len(more)}"
                )
        return f"the last state is {last.done}; " + "; ".join(parts)

    def _wrong(self, kind: Wrong, line: str) -> None:
        self.found[kind] += 1
        self.lines.append(f"{kind}, lane {self.number}, state {len(self.proposals) - 1}: {line}")


def _same(state: State, rows: Mapping[str, Counter[tuple[int, int]]]) -> bool:
    return all(
        len(wanted) == rows[table].total() and all((pair in rows[table]) for pair in wanted.items()) for table, wanted in state.items()
    )
