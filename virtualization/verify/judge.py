"""One statement to all sides: do they agree with PostgreSQL?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from virtualization.verify.answers import BOUNDS, CRASH, UNKNOWN, UNSUPPORTED, Answer, Refusal, difference
from virtualization.verify.promises import promise_of, spared, sums, without_cut
from virtualization.verify.sides import Side

Ask = Callable[[str], Answer | Refusal]
DATA_ERRORS = "22"
"""Class of SQLSTATEs that come from the data (overflow, division by zero, a text that is no number): whether they come up may depend on
what is computed first, which SQL leaves open; such statements are counted as not compared."""
DATA_ERROR = "error of the data"
FLOAT_OVERFLOW = "value out of range: overflow"
"""PostgreSQL's words. A sum of floats, and all that is made of one, has it in some orders of its rows only: 1e308, 1e308, -1e308."""
CONVERSION = "cannot convert "
"""PostgreSQL counts "cannot convert NaN to integer" among what it does not support (0A000): it is an error of the data all the same."""


@dataclass(frozen=True)
class Verdict:
    """Of one side. ``outcome``: same, refused, unsupported, skipped, or different; ``what`` says what is wrong, or the refusal."""

    side: str
    outcome: str
    what: str = ""
    kind: str = ""
    """Of a difference: columns, order, rows, answered (where PostgreSQL refuses), or the code of the error. A smaller statement must
    show the same."""

    @property
    def different(self) -> bool:
        """A defect?"""
        return self.outcome == "different"


class Judge:
    """``right``: PostgreSQL over the copy; ``sides``: those that must agree with it. All in one time zone, that of ``settle``."""

    def __init__(self, right: Side, sides: Sequence[Side]) -> None:
        self.right = right
        self.sides = tuple(sides)

    def settle(self, zone: str) -> None:
        """From now on all sessions are in time zone ``zone``."""
        for side in (self.right, *self.sides):
            side.zone = zone

    def verdicts(self, sql: str) -> list[Verdict]:
        """One per side."""
        expected = self.right.ask(sql)
        if isinstance(expected, Refusal) and expected.code in BOUNDS:
            return [Verdict(side.name, "skipped", expected.code) for side in self.sides]
        return self._forgiving(sql, [self.verdict(sql, side, expected) for side in self.sides])

    def verdict(self, sql: str, side: Side, expected: Answer | Refusal | None = None) -> Verdict:
        """Of one side."""
        expected = self.right.ask(sql) if expected is None else expected
        actual = side.ask(sql)
        if isinstance(actual, Refusal):
            return self._refused(sql, side, expected, actual)
        if isinstance(expected, Refusal):
            return _answered(side, expected)
        wrong = difference(expected, actual, promise_of(sql), lambda: self.right.ask(without_cut(sql)))
        if wrong is None:
            return Verdict(side.name, "same")
        return Verdict(side.name, "skipped" if wrong.kind == UNKNOWN else "different", wrong.text, wrong.kind)

    def _forgiving(self, sql: str, verdicts: list[Verdict]) -> list[Verdict]:
        """An error of the data on some sides only is another order of the work. On all of ours it is a defect, unless PostgreSQL has one
        too when it computes what conditions, joins and empty sets spared it."""
        errors = [verdict.different and verdict.kind == DATA_ERROR for verdict in verdicts]
        if not any(errors) or (all(errors) and not any(_has_error(self.right.ask(text)) for text in spared(sql))):
            return verdicts
        skipped = "error of the data here only"
        return [Verdict(verdict.side, "skipped", skipped) if wrong else verdict for verdict, wrong in zip(verdicts, errors, strict=True)]

    def _refused(self, sql: str, side: Side, expected: Answer | Refusal, actual: Refusal) -> Verdict:
        if actual.code in BOUNDS:
            return Verdict(side.name, "skipped", actual.code)
        if isinstance(expected, Refusal) and actual.code != CRASH:
            return Verdict(side.name, "refused", f"{expected.code}/{actual.code}")
        if actual.code == UNSUPPORTED and not _of_data(actual):
            return Verdict(side.name, "unsupported", actual.message)
        if isinstance(expected, Answer) and FLOAT_OVERFLOW in actual.message and sums(sql):
            return Verdict(side.name, "skipped", "a sum of floats in another order")
        does = "answers" if isinstance(expected, Answer) else "refuses"
        kind = DATA_ERROR if _of_data(actual) else f"{actual.code} {does}"
        return Verdict(side.name, "different", f"{actual.code} {actual.message}, where PostgreSQL {does}", kind)


def _has_error(answer: Answer | Refusal) -> bool:
    return isinstance(answer, Refusal) and (_of_data(answer) or answer.code in BOUNDS)


def _of_data(refusal: Refusal) -> bool:
    return refusal.code.startswith(DATA_ERRORS) or CONVERSION in refusal.message


def _answered(side: Side, expected: Refusal) -> Verdict:
    """Rows where PostgreSQL refuses. An error of the data may be spared by another order of the work; another error may not."""
    if expected.code in BOUNDS or _of_data(expected):
        return Verdict(side.name, "skipped", expected.code)
    return Verdict(side.name, "different", f"rows, where PostgreSQL refuses: {expected.code} {expected.message}", "answered")
