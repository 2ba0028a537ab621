"""Products of decimals of at most 18 digits. DuckDB multiplies them as integers of 64 bits, and fails where the product has more digits;
PostgreSQL never does. So one factor is widened, which makes sums of products a third slower, and marked: who can begin a statement anew
tries the narrow form first."""

from __future__ import annotations

import re

from virtualization.duckdb_sql.kinds import SMALL_PRECISION, Kind

_WIDE = SMALL_PRECISION + 1
_MARKED = re.compile(rf"DECIMAL\({_WIDE},(\d+)\)/\*(\d+)\*/")
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"")
_SEVERAL_ENDS = re.compile(r"\b(UNION|OVER)\b")
_OVERFLOW = f"Overflow in multiplication of DECIMAL({SMALL_PRECISION})"


def marked(factor: Kind) -> str:
    """The wide type of a factor."""
    return f"DECIMAL({_WIDE},{factor.scale})/*{factor.precision}*/"


def narrow(sql: str) -> str | None:
    """The statement with factors as narrow as they are; None where nothing is marked, or rows may come before the last product, or a
    user's own text looks like a mark."""
    made, marks = _MARKED.subn(r"DECIMAL(\2,\1)", sql)
    plain = marks == len(_MARKED.findall(_QUOTED.sub("", sql)))
    return made if marks and plain and not _SEVERAL_ENDS.search(sql) else None


def too_narrow(error: Exception) -> bool:
    """Did the narrow form fail where the wide one would not?"""
    return _OVERFLOW in str(error)
