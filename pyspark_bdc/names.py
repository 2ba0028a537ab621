"""Names of tables and columns in options, read as SQL reads them: what is not quoted is folded to lower case."""

from __future__ import annotations

import re

from pyspark_bdc.errors import OptionError

_IDENTIFIER = re.compile(r'\s*(?:"((?:[^"]|"")+)"|([^\W\d][\w$]*))\s*')


def _parts(text: str, separator: str) -> list[str] | None:
    """The names; None where the text is something else. Quotes inside stay doubled."""
    names, position = [], 0
    while match := _IDENTIFIER.match(text, position):
        names.append(match[1] or match[2].lower())
        position = match.end()
        if not text.startswith(separator, position):
            return names if position == len(text) else None
        position += 1
    return None


def quoted_table(text: str) -> str:
    """``Schema.table`` → ``"schema"."table"``. OptionError where it is no name of a table."""
    if text.lstrip().startswith("("):
        raise OptionError("option dbtable names a table; a SELECT is not one", "give the SELECT in the option query")
    names = _parts(text, ".")
    if not names or len(names) > 3:
        raise OptionError(f"option dbtable: {text!r} is no table name", 'write table, schema.table or "Schema"."Table"')
    return ".".join(f'"{name}"' for name in names)


def identifiers(option: str, text: str) -> tuple[str, ...]:
    """``a, "B c"`` → ("a", "B c"); empty for an empty text. OptionError names the option."""
    if not text.strip():
        return ()
    names = _parts(text, ",")
    if not names:
        raise OptionError(f"option {option}: {text!r} is no list of column names", 'write a, b or "A", "b c"')
    return tuple(name.replace('""', '"') for name in names)
