"""Answers of the sides, and whether two of them are the same as far as SQL promises it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache

from virtualization.plan import OutputColumn
from virtualization.types import pg_type, pg_type_by_oid

FLOAT_TOLERANCE = 1e-9
"""Relative (and absolute below 1): sums of double precision depend on the order of their rows. ``real`` gets ``REAL_TOLERANCE``."""
REAL_TOLERANCE = 1e-5
SHOWN = 4
"""Rows of each side in a report."""

Row = tuple[str | None, ...]


@dataclass(frozen=True)
class Answer:
    """Columns, and rows as PostgreSQL prints them, in the order in which they came."""

    columns: tuple[OutputColumn, ...]
    rows: list[Row]


@dataclass(frozen=True)
class Refusal:
    """``code``: SQLSTATE, or one of ``CRASH``, ``TOO_SLOW`` and ``TOO_MANY``."""

    code: str
    message: str


CRASH = "crash"
TOO_SLOW = "too slow"
TOO_MANY = "too many rows"
BOUNDS = (TOO_SLOW, TOO_MANY)
UNSUPPORTED = "0A000"
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Promise:
    """What SQL promises of a statement's answer beside its rows. ``order``: the columns that its ORDER BY names, first first;
    ``cut``: it has a LIMIT or OFFSET, so among rows that tie in them any may be there; ``folds``: PostgreSQL may have put a branch of a
    CASE or coalesce in the place of the whole."""

    order: tuple[int, ...] = ()
    cut: bool = False
    folds: bool = False


@dataclass(frozen=True)
class Difference:
    """``kind``: columns, order or rows; UNKNOWN: perhaps none; ``text``: what is wrong."""

    kind: str
    text: str


def difference(expected: Answer, actual: Answer, promise: Promise, everything: Callable[[], Answer | Refusal]) -> Difference | None:
    """What is wrong with ``actual``; None: nothing. ``everything``: what the statement gives without its LIMIT and OFFSET."""
    shapes = [[(column.name, _comparable(column.type, promise.folds)) for column in answer.columns] for answer in (expected, actual)]
    if shapes[0] != shapes[1]:
        return Difference("columns", f"columns {_shown_columns(shapes[1])}, where PostgreSQL has {_shown_columns(shapes[0])}")
    tolerances = [_tolerance(column.type) for column in expected.columns]
    for at in promise.order:
        for one, two in zip(expected.rows, actual.rows, strict=False):
            if not (same_value(one[at], two[at], tolerances[at]) or _tie(one[at], two[at], expected.columns[at].type)):
                return Difference("order", f"order: column {at + 1} should be {one[at]!r} where it is {two[at]!r}")
    if len(expected.rows) != len(actual.rows):
        return _rows_differ(expected.rows, actual.rows)
    if same_rows(expected.rows, actual.rows, tolerances):
        return None
    if promise.cut and promise.order:
        full = everything()
        if isinstance(full, Refusal):
            return Difference(UNKNOWN, f"rows that tie; all of them can't be asked for: {full.code}")
        if contained(actual.rows, full.rows, tolerances):
            return None
    return _rows_differ(expected.rows, actual.rows)


@cache
def _comparable(of: str, folds: bool) -> str:
    """A type without the limit of a text's length or a time's precision: which expressions keep those is not promised to clients, and
    the values are compared anyway. The scale of a numeric stays, but where PostgreSQL folds constants: ``CASE WHEN true THEN price END``
    is told to clients as price's own numeric(12,2), though the same CASE in a view or under a condition that is no constant is numeric
    (its other branch, ELSE NULL, has no scale). Whether it folds is its planner's affair, and no other planner need do the same."""
    found = pg_type(of)
    return of if found.name == "numeric" and not folds else pg_type_by_oid(found.oid).name + ("[]" if found.array else "")


def same_rows(expected: Sequence[Row], actual: Sequence[Row], tolerances: Sequence[float | None]) -> bool:
    """As multisets; columns with a tolerance are compared as numbers."""
    return len(expected) == len(actual) and contained(actual, expected, tolerances)


def contained(part: Sequence[Row], whole: Sequence[Row], tolerances: Sequence[float | None]) -> bool:
    """Is each row of ``part`` in ``whole``, as often at least?"""
    left, other = Counter(part) - Counter(whole), Counter(whole) - Counter(part)
    if not left:
        return True
    if not any(tolerances):
        return False
    rest = list(other.elements())
    for row in left.elements():
        found = next((at for at, candidate in enumerate(rest) if same_row(row, candidate, tolerances)), None)
        if found is None:
            return False
        del rest[found]
    return True


def same_row(one: Row, two: Row, tolerances: Sequence[float | None]) -> bool:
    """Value by value."""
    return all(same_value(a, b, tolerance) for a, b, tolerance in zip(one, two, tolerances, strict=True))


def same_value(one: str | None, two: str | None, tolerance: float | None) -> bool:
    """``tolerance`` None: the very text."""
    if one == two:
        return True
    if tolerance is None or one is None or two is None:
        return False
    return math.isclose(float(one), float(two), rel_tol=tolerance, abs_tol=tolerance)


def _tie(one: str | None, two: str | None, of: str) -> bool:
    """Equal to ORDER BY though not the same text: a set operation of ``character`` and ``text`` holds 'a' beside 'a ', one of numerics
    1.5 beside 1.50."""
    found = pg_type(of)
    if one is None or two is None or found.array:
        return False
    match found.name:
        case "character":
            return one.rstrip(" ") == two.rstrip(" ")
        case "numeric":
            return Decimal(one) == Decimal(two)
    return False


def _tolerance(of: str) -> float | None:
    name = pg_type(of)
    if name.array:
        return None
    return {"double precision": FLOAT_TOLERANCE, "real": REAL_TOLERANCE}.get(name.name)


def _rows_differ(expected: Sequence[Row], actual: Sequence[Row]) -> Difference:
    missing, more = Counter(expected) - Counter(actual), Counter(actual) - Counter(expected)
    counts = f"{len(actual):,} rows, {len(expected):,} expected"
    return Difference("rows", f"{counts}; missing {_shown_rows(missing)}; not expected {_shown_rows(more)}")


def _shown_rows(rows: Counter[Row]) -> str:
    shown = ", ".join(str(row) for row, _ in zip(rows.elements(), range(SHOWN), strict=False))
    return shown + (f" and {rows.total() - SHOWN:,} more" if rows.total() > SHOWN else "") if rows else "none"


def _shown_columns(columns: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"{name} {of}" for name, of in columns)
