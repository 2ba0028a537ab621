"""Where a SQL statement ends, for input that comes line by line. PostgreSQL's lexical rules; nothing is parsed beyond that."""

from __future__ import annotations

import re

_TOKENS = re.compile(
    r"""
    (?P<line_comment>--[^\n]*)
  | (?P<open_comment>/\*)
  | (?P<escape_string>\b[eE]'(?:[^'\\]|\\.|'')*(?P<escape_end>'|\Z))
  | (?P<string>'(?:[^']|'')*(?P<string_end>'|\Z))
  | (?P<identifier>"(?:[^"]|"")*(?P<identifier_end>"|\Z))
  | (?P<dollar>(?<![\w$])\$(?P<tag>(?:[^\W\d]\w*)?)\$)
  | (?P<end>;)
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_COMMENT_EDGES = re.compile(r"/\*|\*/")


def split(text: str) -> tuple[list[str], str]:
    """The complete statements of ``text`` (without their ``;``) and what is left behind the last one."""
    statements, start, position = [], 0, 0
    while (found := _TOKENS.search(text, position)) is not None:
        if found["end"]:
            statements.append(text[start : found.start()].strip())
            start = position = found.end()
            continue
        end = _end_of(found, text)
        if end is None:
            break
        position = end
    return [statement for statement in statements if statement], text[start:]


def count(text: str) -> int:
    """How many statements ``text`` holds, a last one without ``;`` included; comments alone are none."""
    statements, rest = split(text)
    return sum(bool(_COMMENT.sub("", statement).strip()) for statement in [*statements, rest])


def _end_of(found: re.Match[str], text: str) -> int | None:
    """Where a quoted part or a comment ends; None when it does not end yet."""
    if found["open_comment"]:
        return _end_of_comment(text, found.end())
    if found["dollar"]:
        closing = text.find(f"${found['tag']}$", found.end())
        return None if closing < 0 else closing + len(found["tag"]) + 2
    quotes = [found[name] for name in ("escape_end", "string_end", "identifier_end") if found[name] is not None]
    return None if quotes == [""] else found.end()


def _end_of_comment(text: str, position: int) -> int | None:
    depth = 1  # comments nest in PostgreSQL
    while (edge := _COMMENT_EDGES.search(text, position)) is not None:
        depth += 1 if edge[0] == "/*" else -1
        position = edge.end()
        if depth == 0:
            return position
    return None
