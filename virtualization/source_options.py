"""Options of a data source, which are texts: each read by a function that says in a ValueError what it is not."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any

from virtualization.catalog import DataSource
from virtualization.errors import DefinitionError

LARGEST = 10**9
PUSHDOWN = "pushdown"
"""Option of every source and table: ``on`` (where it pays), ``off``, or ``forced`` (keys of joins are sent whatever is expected)."""

FORCED = "forced"
OFF = "off"
ON = "on"
_WORDS = {"on": True, "true": True, "yes": True, "1": True, "off": False, "false": False, "no": False, "0": False}

Readers = Mapping[str, Callable[[str], object]]


def options_of(source: DataSource, readers: Readers) -> dict[str, Any]:
    """The values by name; DefinitionError names an unknown option, or the one whose value is wrong, and why."""
    options: dict[str, Any] = {}
    for name, text in source.options.items():
        if name == PUSHDOWN and str(text).lower() == FORCED:
            continue  # on, and the planner's business
        if name not in readers:
            near = difflib.get_close_matches(name, readers, n=1)
            hint = (f'Did you mean "{near[0]}"? ' if near else "") + f"Known options: {', '.join(readers)}."
            raise DefinitionError(f'data source "{source.name}": unknown option "{name}"', hint=hint)
        try:
            options[name] = readers[name](str(text))
        except ValueError as error:
            raise DefinitionError(f'data source "{source.name}": option "{name}" is "{text}": {error}') from None
    return options


def pushdown_of(options: Mapping[str, str], what: str) -> str:
    """ON, OFF or FORCED, as ``options`` of ``what`` (a table, a source) say; DefinitionError for another word."""
    text = str(options.get(PUSHDOWN, ON)).lower()
    if text != FORCED and text not in _WORDS:
        raise DefinitionError(f'{what}: option "{PUSHDOWN}" is "{text}"', hint=f"It is {ON}, {OFF} or {FORCED}.")
    return FORCED if text == FORCED else ON if _WORDS[text] else OFF


def number(least: float) -> Callable[[str], float]:
    """Reads a number from ``least`` to ``LARGEST``."""

    def read(text: str) -> float:
        value = float(text)
        if not least <= value <= LARGEST:
            raise ValueError(f"not a number of at least {least:g}")
        return value

    return read


def whole(least: int) -> Callable[[str], int]:
    """The same for whole numbers."""

    def read(text: str) -> int:
        value = int(text)
        if not least <= value <= LARGEST:
            raise ValueError(f"not a whole number of at least {least}")
        return value

    return read


def switch(text: str) -> bool:
    """Reads on or off."""
    if text.lower() not in _WORDS:
        raise ValueError("neither on nor off")
    return _WORDS[text.lower()]
