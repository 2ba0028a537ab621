"""Cuts PostgreSQL text into tokens: just enough to split statements, tell commands apart and fill in parameters.

Knows what hides other characters: strings (plain, ``E''``, dollar quotes), quoted names, comments (nested). Everything that is
planned is parsed by ``virtualization``; this module never decides what a query means.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from pools.compute.errors import StatementError

Kind = Literal["word", "name", "string", "number", "parameter", "sign", "space"]

_TOKEN = re.compile(
    r"""
      (?P<space>\s+|--[^\n]*|/\*)
    | (?P<escape>[eE]'(?:[^'\\]|\\.|'')*')
    | (?P<plain>(?:[bBxXnN]|[uU]&)?'(?:[^']|'')*')
    | (?P<name>(?:[uU]&)?"(?:[^"]|"")*")
    | (?P<parameter>\$\d+)
    | (?P<dollar>\$(?:[A-Za-z_\u0080-\U0010ffff][\w\u0080-\U0010ffff]*)?\$)
    | (?P<word>[A-Za-z_\u0080-\U0010ffff][\w$\u0080-\U0010ffff]*)
    | (?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)
    | (?P<sign>::|[^\s\w'"])
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")


@dataclass(frozen=True, slots=True)
class Token:
    """``text`` as written, from ``start`` to ``end`` of the whole."""

    kind: Kind
    text: str
    start: int
    end: int

    @property
    def folded(self) -> str:
        """A word in lower case; a quoted name without its quotes; a plain string's value; else as written."""
        if self.kind == "word":
            return self.text.lower()
        if self.kind == "name" and self.text[0] == '"':
            return self.text[1:-1].replace('""', '"')
        if self.kind == "string" and self.text[0] == "'":
            return self.text[1:-1].replace("''", "'")
        if self.kind == "string" and self.text[0] in "eE":  # postgres_fdw doubles backslashes this way, and nothing else
            return self.text[2:-1].replace("''", "'").replace("\\\\", "\\")
        return self.text


def tokens(sql: str) -> Iterator[Token]:
    """All tokens but white space and comments; StatementError 42601 where a quote or comment does not end."""
    place = 0
    while place < len(sql):
        match = _TOKEN.match(sql, place)
        if match is None or match.lastgroup is None:
            raise StatementError("42601", f"unterminated quoted text at position {place + 1}")
        group, end = match.lastgroup, match.end()
        if group == "space":
            place = _comment_end(sql, place) if match[0] == "/*" else end
            continue
        if group == "dollar":
            end = sql.find(match[0], end)
            if end < 0:
                raise StatementError("42601", f"unterminated dollar-quoted string at position {place + 1}")
            end += len(match[0])
        yield Token(_KINDS[group], sql[place:end], place, end)
        place = end


_KINDS: dict[str, Kind] = {
    "escape": "string", "plain": "string", "dollar": "string", "name": "name",
    "parameter": "parameter", "word": "word", "number": "number", "sign": "sign",
}  # fmt: skip


def _comment_end(sql: str, place: int) -> int:
    depth = 0
    for edge in _COMMENT_EDGE.finditer(sql, place):
        depth += 1 if edge[0] == "/*" else -1
        if depth == 0:
            return edge.end()
    raise StatementError("42601", f"unterminated /* comment at position {place + 1}")


def split(sql: str) -> list[str]:
    """The statements of a text, without their semicolons; empty ones are left out."""
    if ";" not in sql:
        return [sql] if next(tokens(sql), None) is not None else []
    parts: list[str] = []
    first: int | None = None
    last = 0
    for token in tokens(sql):
        if token.text == ";":
            if first is not None:
                parts.append(sql[first:last])
            first = None
            continue
        first = token.start if first is None else first
        last = token.end
    if first is not None:
        parts.append(sql[first:last])
    return parts
