"""The one column that JOIN … USING and NATURAL JOIN make of two, of their common type (PostgreSQL's buildMergedJoinVar)."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from virtualization.binding.datatypes import data_type
from virtualization.binding.scope import Visible

LADDERS = (
    ("smallint", "integer", "bigint", "numeric", "real", "double precision"),
    ("date", "timestamp without time zone", "timestamp with time zone"),
    ("character varying", "text"),
    ("character", "text"),
)
"""Types that meet in the later one."""


def merged(name: str, left: Visible, right: Visible, side: str) -> Visible:
    """``side``: of the join, in capitals. Of a column whose type is the common one nothing is cast, as PostgreSQL would not."""
    common = _common(left.type, right.type)
    if side == "FULL":
        return Visible(name, lambda: exp.Coalesce(this=left.make(), expressions=[right.make()]), common)
    kept, other = (right, left) if side == "RIGHT" else (left, right)
    if common in (None, kept.type):
        return Visible(name, kept.make, kept.type)
    if not side and common == other.type:  # equal in every row
        return Visible(name, other.make, other.type)
    return Visible(name, _cast(kept.make, str(common)), common)


def _cast(make: Callable[[], exp.Expr], to: str) -> Callable[[], exp.Expr]:
    return lambda: exp.Cast(this=make(), to=data_type(to).copy())


def _common(left: str | None, right: str | None) -> str | None:
    """None: not known here."""
    if left is None or right is None or left == right:
        return left if left == right else None
    bases = left.partition("(")[0], right.partition("(")[0]
    for ladder in LADDERS:
        if bases[0] in ladder and bases[1] in ladder and bases[0] != bases[1]:
            return left if ladder.index(bases[0]) > ladder.index(bases[1]) else right
    return None
