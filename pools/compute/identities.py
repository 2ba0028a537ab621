"""``current_user`` and its kin in a direct query: the pool's user and database, not those of the executor behind it. Pure.

The master never ships them; only who connects to the pool directly can write them. They become constants in the text, so that a
filter with one can go to the source, and so that no plan made for one user is ever another's.
"""

from __future__ import annotations

import re

from pools.compute.lexer import Token, tokens

_USER = frozenset({"current_user", "session_user", "current_role", "user"})
_ANY = re.compile(r"\b(?:current_user|session_user|current_role|user|current_catalog|current_database)\b", re.I)


def personal(sql: str, user: str, database: str) -> str:
    """``sql`` with the names written out; as it was where there are none. StatementError 42601 for an unterminated quote."""
    if not _ANY.search(sql):
        return sql
    parts: list[str] = []
    at = 0
    every = list(tokens(sql))
    lists = _select_lists(every)
    for place, token in enumerate(every):
        known = _meant(every, place)
        if known is None:
            continue
        end = every[place + 2].end if known == "current_database" else token.end
        value = user if known in _USER else database
        literal = "'" + value.replace("'", "''") + "'::name"
        following = every[place + 3 if known == "current_database" else place + 1 :][:1]
        alone = place in lists and every[place - 1].folded in ("select", ",", "distinct", "all")
        named = alone and (not following or following[0].folded in (",", "from", ")"))
        parts += [sql[at : token.start], literal, f' AS "{known}"' if named else ""]
        at = end
    return "".join([*parts, sql[at:]])


def _meant(every: list[Token], place: int) -> str | None:
    """The function that the token names, in lower case; None for anything else (quoted, qualified, an alias)."""
    token = every[place]
    before = every[place - 1].folded if place else ""
    if token.kind != "word" or before in (".", "as"):
        return None
    if token.folded in _USER or token.folded == "current_catalog":
        return token.folded
    called = [following.text for following in every[place + 1 : place + 3]] == ["(", ")"]
    return token.folded if token.folded == "current_database" and called else None


def _select_lists(every: list[Token]) -> set[int]:
    """The places of tokens that lie in a select list itself, not in parentheses in it."""
    found: set[int] = set()
    open_lists = [False]
    for place, token in enumerate(every):
        if token.text == "(":
            open_lists.append(False)
        elif token.text == ")" and len(open_lists) > 1:
            open_lists.pop()
        elif token.kind == "word" and token.folded in ("select", "from", "where", "group", "order", "union", "having", "limit"):
            open_lists[-1] = token.folded == "select"
        elif open_lists[-1]:
            found.add(place)
    return found
