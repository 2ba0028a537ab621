"""Date formats in either spelling: as strptime has them (``%d.%m.%Y``), or as the original's DATE_FORMAT (``dd.MM.yyyy``)."""

from __future__ import annotations

import re

_LETTERS = {
    "yyyy": "%Y", "yy": "%y", "MMMM": "%B", "MMM": "%b", "MM": "%m", "M": "%-m", "dd": "%d", "d": "%-d", "HH": "%H", "H": "%-H",
    "hh": "%I", "h": "%-I", "mm": "%M", "m": "%-M", "ss": "%S", "s": "%-S", "tt": "%p",
    "fff": "%g", "ffffff": "%f",
}  # fmt: skip
_RUN = re.compile(r"([A-Za-z])\1*")


def strptime_format(text: str) -> str:
    """What DuckDB's strptime takes; ValueError names the letters that are not known."""
    if "%" in text:
        return text

    def known(match: re.Match[str]) -> str:
        run = match[0]
        if run == "T":
            return run
        if run not in _LETTERS:
            raise ValueError(f'"{run}" is no part of a date format (known: {" ".join(_LETTERS)}, or strptime\'s %Y, %m …)')
        return _LETTERS[run]

    made = _RUN.sub(known, text)
    if "%" not in made:
        raise ValueError("it names no part of a date")
    return made
