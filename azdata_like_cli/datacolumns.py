"""How ``bdc data create`` reads its columns: ``NAME TYPE [NOT NULL] [DEFAULT value]``, as in CREATE TABLE; a default is a constant."""

from __future__ import annotations

import re
from collections.abc import Iterable

from bdc.errors import UserError

_NAME = re.compile(r"""\s*(?:"((?:[^"]|"")+)"|([^\s"]+))\s+""")
_CLAUSE = re.compile(r"\s+(not\s+null|null|default)\b", re.IGNORECASE)
_OTHERS = re.compile(r"\b(primary\s+key|unique|references|check|generated)\b", re.IGNORECASE)
_QUOTED = re.compile(r"'(?:[^']|'')*'")
_STRICT = re.compile(r"\s+not\s+null\s*$", re.IGNORECASE)


def data_columns(words: Iterable[str]) -> list[dict[str, object]]:
    """As ``bdc.create_data_table`` takes them; UserError names the word that can't be read. Unquoted names are folded as SQL does."""
    return [_column(word) for word in words]


def key_names(text: str) -> list[str]:
    """Names between commas, as SQL folds them; UserError for anything else."""
    entry = r'\s*(?:"(?:[^"]|"")+"|[^\s",]+)\s*'
    if not re.fullmatch(f"{entry}(?:,{entry})*", text):
        raise UserError(f"{text!r} is no list of columns", hint="for example --primary-key 'id, \"Line no\"'")
    found = [part.strip() for part in re.findall(entry, text)]
    return [name[1:-1].replace('""', '"') if name.startswith('"') else name.lower() for name in found]


def _column(word: str) -> dict[str, object]:
    found = _NAME.match(word)
    rest = word[found.end() :].strip() if found else ""
    if found is None or not rest or _CLAUSE.match(" " + rest):
        raise UserError(f"{word!r} is not NAME TYPE [NOT NULL] [DEFAULT …]", hint="for example --column 'price numeric(10,2) not null'")
    name = found[1].replace('""', '"') if found[1] else found[2].lower()
    constraint = _OTHERS.search(_QUOTED.sub("", rest))
    if constraint is not None:
        raise UserError(
            f"{word!r}: {constraint[0].upper()} is not said with a column", hint="--primary-key names the key; there are no others"
        )
    clause = _CLAUSE.search(rest)
    kind, tail = (rest[: clause.start()], rest[clause.start() :]) if clause else (rest, "")
    column: dict[str, object] = {"name": name, "type": kind.strip(), "nullable": True}
    if tail:
        column |= _constraints(tail, word)
    return column


def _constraints(tail: str, word: str) -> dict[str, object]:
    """NOT NULL before or after the default; whether the constant fits the type is PostgreSQL's own to check."""
    found: dict[str, object] = {}
    while tail:
        clause = _CLAUSE.match(tail)
        if clause is None:
            raise UserError(f"{word!r}: {tail.strip()!r} is not understood", hint="NAME TYPE [NOT NULL] [DEFAULT …]")
        kind, tail = " ".join(clause[1].lower().split()), tail[clause.end() :]
        if kind == "not null":
            found["nullable"] = False
        elif kind == "default":
            if _STRICT.search(tail):
                found["nullable"] = False
                tail = _STRICT.sub("", tail)
            if not tail.strip():
                raise UserError(f"{word!r}: DEFAULT of what?")
            found["default"] = _constant(tail.strip(), word)
            tail = ""
    return found


def _constant(text: str, word: str) -> str:
    """A quoted text without its quotes, or a plain word (a number, true). UserError for an expression: shards compute none."""
    if re.fullmatch(r"'(?:[^']|'')*'", text):
        return text[1:-1].replace("''", "'")
    if re.fullmatch(r"[\w.+-]+", text):
        return text
    raise UserError(f"{word!r}: the default {text!r} is no constant", hint="a number, true, false or a text in quotes; no function")
