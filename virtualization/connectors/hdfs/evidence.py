"""The type that texts have in common, by their form."""

from __future__ import annotations

import re
from collections.abc import Sequence

_NARROW, _WIDE, _SPARE_DIGITS = 18, 38, 4
_EVIDENCE: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("bigint", re.compile(r"-?(0|[1-9]\d{0,17})")),
    ("numeric", re.compile(r"-?(0|[1-9]\d{0,18})(\.\d{1,18})?")),
    ("double precision", re.compile(r"-?(0|[1-9]\d*)(\.\d*)?([eE][+-]?\d{1,3})?")),
    ("boolean", re.compile(r"true|false", re.IGNORECASE)),
    ("date", re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])")),
    (
        "timestamp without time zone",
        re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[ T]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,6})?)?"),
    ),
    (
        "timestamp with time zone",
        re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d{1,6})?)? ?(Z|[+-]\d\d(:?\d\d)?)"),
    ),
)


def by_evidence(values: Sequence[str | None]) -> str:
    """The type whose plain form all ``values`` have (None: no value)."""
    told = [value for value in values if value is not None]
    if not told:
        return "text"
    for kind, form in _EVIDENCE:
        if all(form.fullmatch(value) for value in told):
            if kind == "numeric":
                return _numeric(told)
            return kind
    return "text"


def _numeric(told: Sequence[str]) -> str:
    scale = max(len(value.partition(".")[2]) for value in told)
    whole = max(len(value.partition(".")[0].lstrip("-")) for value in told)
    return f"numeric({_NARROW if whole + _SPARE_DIGITS + scale <= _NARROW else _WIDE},{scale})"
