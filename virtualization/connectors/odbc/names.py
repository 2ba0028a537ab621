"""Names at a source: quoted as its driver says, never folded."""

from __future__ import annotations

import re

from virtualization.errors import DefinitionError

_PART = re.compile(r'"((?:[^"]|"")+)"|([^\s".]+)')
_MOST_PARTS = 3


def quoted(name: str, quote: str = '"') -> str:
    """As an identifier; ``quote``: as SQL_IDENTIFIER_QUOTE_CHAR has it (``[`` ends with its partner)."""
    if not quote.strip():
        raise DefinitionError(f'the ODBC driver has no quotes for names, "{name}" can\'t be asked for')
    end = "]" if quote == "[" else quote
    return quote + name.replace(end, end * 2) + end


def location_parts(location: str) -> tuple[str, ...]:
    """``[catalog.][schema.]table``: one to three names, as written; DefinitionError for anything else."""
    made: list[str] = []
    place = 0
    while True:
        match = _PART.match(location, place)
        if match is None or len(made) == _MOST_PARTS:
            break
        made.append(match[1].replace('""', '"') if match[1] is not None else match[2])
        place = match.end()
        if place == len(location):
            return tuple(made)
        if location[place] != ".":
            break
        place += 1
    raise DefinitionError(f'location "{location}" is not a table', hint='Quote parts as in SQL: shop."Order Lines".')


def remote_table(location: str, quote: str) -> str:
    """The table as statements write it."""
    return ".".join(quoted(part, quote) for part in location_parts(location))
