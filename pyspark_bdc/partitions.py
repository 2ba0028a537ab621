"""Partitions of a read: one WHERE condition each, together every row exactly once.

As with Spark's JDBC source the bounds decide only where the cuts are: rows outside them, and NULLs, are read too.
"""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Callable, Mapping

from pyspark_bdc.columns import Column
from pyspark_bdc.errors import OptionError
from pyspark_bdc.options import Range
from pyspark_bdc.predicates import literal

_EPOCH = datetime.date(1970, 1, 1)
# server's type: bound text → number, number → bound value
_SCALES: dict[str, tuple[Callable[[str], int], Callable[[int], object]]] = {
    **dict.fromkeys(("int2", "int4", "int8"), (int, int)),
    "date": (
        lambda text: (datetime.date.fromisoformat(text.strip()) - _EPOCH).days,
        lambda days: _EPOCH + datetime.timedelta(days),
    ),
}


def conditions(cut: Range | None, columns: Mapping[str, Column]) -> list[str | None]:
    """A condition per partition; [None] is everything in one. OptionError when the column or its bounds don't fit."""
    if cut is None:
        return [None]
    column = columns.get(cut.column)
    if column is None:
        raise OptionError(f"option partitionColumn: there is no column {cut.column!r}", f"there are {', '.join(columns)}")
    if column.server not in _SCALES or column.cast:
        raise OptionError(f"option partitionColumn: {cut.column!r} is {column.spark}", "an integer or a date column can be cut into ranges")
    read, write = _SCALES[column.server]
    try:
        lower, upper = read(cut.lower), read(cut.upper)
    except ValueError:
        raise OptionError(f"lowerBound {cut.lower!r} and upperBound {cut.upper!r} are no values of a {column.spark}") from None
    if lower >= upper:
        raise OptionError(f"lowerBound {cut.lower} is not below upperBound {cut.upper}")
    count = min(cut.count, upper - lower)
    cuts = [str(literal(column, write(lower + (upper - lower) * number // count))) for number in range(1, count)]
    return _between(column.quoted, cuts)


def _between(name: str, cuts: list[str]) -> list[str | None]:
    if not cuts:
        return [None]
    inner = [f"{name} >= {low} AND {name} < {high}" for low, high in itertools.pairwise(cuts)]
    return [f"({name} < {cuts[0]} OR {name} IS NULL)", *inner, f"{name} >= {cuts[-1]}"]
