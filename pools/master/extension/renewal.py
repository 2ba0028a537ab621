"""Today's code in a database that has yesterday's: the script that ``ALTER EXTENSION bdc UPDATE TO 'renewed'`` runs, made of the same
parts as the first version's.

Functions, procedures, views and triggers are replaced, those that the parts no longer have go; tables, indexes and sequences that are
there stay as they are. Every other statement of the parts is run again, so all of them must bear that: ``ON CONFLICT`` for rows, ``ADD
COLUMN IF NOT EXISTS`` behind a table that has got one. What belongs to the extension, and who may use it, is then as after CREATE
EXTENSION. A function with another result, or a view with other columns, is dropped first; where users' objects depend on it, that fails.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

RENEWED = "renewed"
"""The version that a database passes through."""

_TOKEN = re.compile(r"--[^\n]*|'(?:[^']|'')*'|\"[^\"]*\"|\$(\w*)\$.*?\$\1\$|;|[^;'\"$-]+|[-$]", re.S)
_REPLACEABLE = re.compile(r"CREATE (?=(?:FUNCTION|PROCEDURE|VIEW|TRIGGER)\b)")
_EVENT_TRIGGER = re.compile(r"CREATE EVENT TRIGGER (\w+)")
_QUOTE = "$again$"
RUN = Path(__file__).with_name("renewal.sql")


def renewal(parts: str, privileges: str) -> str:
    """The script; ``privileges`` is run last, over all there is then."""
    statements = ",\n".join(f"{_QUOTE}{_repeatable(one)}{_QUOTE}" for one in statements_of(parts))
    return RUN.read_text().replace("/* statements */", statements) + privileges


def _repeatable(statement: str) -> str:
    event_trigger = _EVENT_TRIGGER.match(statement)
    if event_trigger:
        return f"DROP EVENT TRIGGER IF EXISTS {event_trigger[1]}; {statement}"
    return _REPLACEABLE.sub("CREATE OR REPLACE ", statement, count=1) if _REPLACEABLE.match(statement) else statement


def statements_of(script: str) -> Iterator[str]:
    """Its statements, without what stands between them."""
    pieces: list[str] = []
    for token in _TOKEN.finditer(script):
        if token[0] == ";":
            yield "".join(pieces).strip()
            pieces = []
        elif not token[0].startswith("--"):
            pieces.append(token[0])
    assert not "".join(pieces).strip(), "the script's last statement has no end"
