"""What people type, made harmless for a search filter (RFC 4515) and, by other rules, for a distinguished name (RFC 4514); and names
compared as a directory compares them. The two escapings are never exchanged: each is wrong in the other's place.
"""

from __future__ import annotations

import functools
import re
import unicodedata

FILTER_SPECIAL = frozenset("\\*()\0")
DN_SPECIAL = frozenset('\\,+"<>;=')
HEX = re.compile(r"[0-9a-fA-F]{2}")
TYPE = re.compile(r"[A-Za-z][A-Za-z0-9-]*|[0-9]+(\.[0-9]+)*")

Rdn = tuple[tuple[str, str], ...]
"""The attributes of one level, each as (type in lower case, value), sorted."""


class DnError(ValueError):
    """The text is no distinguished name; says what is wrong with it."""


def filter_value(text: str) -> str:
    """``text`` as a value in a search filter. Blanks are escaped too: ldap3 drops those at the ends."""
    return "".join(filter_octets(sign.encode()) if sign in FILTER_SPECIAL or sign.isspace() else sign for sign in text)


def filter_octets(value: bytes) -> str:
    """Octets (a SID, a GUID) as a value in a search filter."""
    return "".join(f"\\{octet:02x}" for octet in value)


def dn_value(text: str) -> str:
    """``text`` as an attribute's value in a distinguished name. ValueError for an empty one."""
    if not text:
        raise DnError("a value in a distinguished name can't be empty")
    last = len(text) - 1
    return "".join(_escaped(sign, first=place == 0, last=place == last) for place, sign in enumerate(text))


def _escaped(sign: str, *, first: bool, last: bool) -> str:
    if sign == "\0":
        return "\\00"
    plain = sign not in DN_SPECIAL and not (sign == " " and (first or last)) and not (sign == "#" and first)
    return sign if plain else "\\" + sign


def parse_dn(text: str) -> tuple[Rdn, ...]:
    """The levels of a distinguished name, the entry's own first; DnError."""
    if not text.strip():
        return ()
    return tuple(tuple(sorted(_attribute(part, text) for part in _split(level, "+"))) for level in _split(text, ","))


@functools.lru_cache(20_000)
def canonical_dn(text: str) -> str:
    """One text for all spellings of a name: case, blanks around separators and escapes make no difference (the directories' own
    caseIgnoreMatch). A text that is no name is only folded, so that it equals itself."""
    try:
        levels = parse_dn(text)
    except DnError:
        return text.strip().casefold()
    return ",".join("+".join(f"{kind}={dn_value(_folded(value)) if value else ''}" for kind, value in level) for level in levels)


def _folded(value: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", value).casefold().split()) or value


def _attribute(part: str, whole: str) -> tuple[str, str]:
    kind, equals, value = part.partition("=")
    kind = kind.strip().lower()
    if not equals or not TYPE.fullmatch(kind):
        raise DnError(f"{whole[:200]!r} is no distinguished name: 'attribute=value' is expected, not {part.strip()[:60]!r}")
    return kind, _unescaped(value, whole)


def _split(text: str, separator: str) -> list[str]:
    """At separators that are not escaped."""
    parts, current, place = [], "", 0
    while place < len(text):
        sign = text[place]
        if sign == "\\":
            current += text[place : place + 2]
            place += 2
            continue
        if sign == separator:
            parts.append(current)
            current = ""
        else:
            current += sign
        place += 1
    return [*parts, current]


def _unescaped(value: str, whole: str) -> str:
    """Blanks around the value go, escaped ones stay; ``\\c3\\a4`` are octets of UTF-8."""
    value = value.lstrip(" ")
    octets, place, kept = bytearray(), 0, 0
    while place < len(value):
        sign = value[place]
        if sign != "\\":
            octets += sign.encode("utf-8", "surrogatepass")
            place += 1
            kept = len(octets) if sign != " " else kept
            continue
        pair = HEX.match(value, place + 1)
        if pair is not None:
            octets.append(int(pair.group(), 16))
            place += 3
        elif place + 1 < len(value):
            octets += value[place + 1].encode("utf-8", "surrogatepass")
            place += 2
        else:
            raise DnError(f"{whole[:200]!r} is no distinguished name: it ends in a lone backslash")
        kept = len(octets)
    return bytes(octets[:kept]).decode("utf-8", "replace")
