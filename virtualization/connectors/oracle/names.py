"""Names at the source: quoted always, so that case matters; at most 30 bytes, which is what Oracle 12.1 takes."""

from __future__ import annotations

import hashlib
import re

from virtualization.errors import DefinitionError

LONGEST = 30
"""Bytes of an identifier before 12.2."""

_KEPT = 21
_PART = re.compile(r'"([^"\0]+)"|([^\s".]+)')


def quoted(name: str) -> str:
    """A name of the source's own; DefinitionError for one that no object there can have."""
    if not name or '"' in name or "\0" in name:
        raise DefinitionError(f"{name!r} is no name in Oracle")
    return f'"{name}"'


def alias(name: str) -> str:
    """A name of the query's, as an identifier: its own where Oracle takes it, else a short one that stands for it."""
    size = len(name.encode())
    if 0 < size <= LONGEST and not set('"\0') & set(name) and name.isascii():
        return f'"{name}"'
    plain = re.sub(r"[^A-Za-z0-9_ ]", "_", name)[:_KEPT]
    return f'"{plain}~{hashlib.sha256(name.encode()).hexdigest()[:8]}"'


def location_parts(location: str) -> tuple[str | None, str]:
    """(schema, table) of a virtual table's location; unquoted parts are folded to upper case, as Oracle does. No schema: the user's own."""
    parts: list[str] = []
    place = 0
    while place <= len(location):
        match = _PART.match(location, place)
        if match is None or len(parts) == 2:
            raise _not_a_location(location)
        parts.append(match[1] or match[2].upper())
        place = match.end() + 1
        if match.end() < len(location) and location[match.end()] != ".":
            raise _not_a_location(location)
        if match.end() == len(location):
            break
    return (None, parts[0]) if len(parts) == 1 else (parts[0], parts[1])


def _not_a_location(location: str) -> DefinitionError:
    return DefinitionError(f'location "{location}" is not schema.table', hint='Quote parts that are not upper case: SALES."Order Lines".')
