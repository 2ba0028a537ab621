"""INSERT and TRUNCATE, cut from their text. Pure.

postgres_fdw sends ``INSERT INTO s.t(a, b) VALUES ($1, $2), ($3, $4), …``: such rows stay parameters, all else becomes a query.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from pools.compute.errors import StatementError
from pools.compute.lexer import Token, tokens

HINT = (
    "Write it over the table's own columns, take rows of other tables by WHERE key = ANY (ARRAY(SELECT …)) or SET column = (SELECT one "
    "value), both at the master, or CALL bdc.merge(…)."
)
"""Where an UPDATE or DELETE can't be told to the shards as a whole."""

MANY_CHARACTERS = 2000
"""Shorter lists of rows are cut to tokens as any text."""


@dataclass(frozen=True, slots=True)
class Insert:
    """``rows``: so many rows of parameters in their order, else ``query`` gives them; no ``columns``: the table's first ones."""

    schema: str | None
    table: str
    columns: tuple[str, ...]
    rows: int = 0
    query: str | None = None


@dataclass(frozen=True, slots=True)
class InsertRows:
    """An INSERT with its values, row by row, as text; ``width`` of them are a row."""

    insert: Insert
    values: Sequence[bytes | None]
    width: int


@dataclass(frozen=True, slots=True)
class Truncate:
    """(schema, table) each."""

    tables: tuple[tuple[str | None, str], ...]


@dataclass(frozen=True, slots=True)
class Modify:
    """UPDATE or DELETE, whose text the planner reads."""

    sql: str
    word: str


Write = Insert | InsertRows | Truncate | Modify


def batch(sql: str) -> Insert | None:
    """The INSERT of postgres_fdw with very many rows of parameters, read without cutting its text to tokens; None: any other text."""
    head, _, rows = sql.partition(" VALUES ")
    if not head.startswith("INSERT INTO ") or len(rows) < MANY_CHARACTERS or not rows.startswith("($1"):
        return None
    width = rows.count("$", 0, rows.find(")"))
    count = rows.count("(")
    places = iter(range(1, width * count + 1))
    if rows != ", ".join("(" + ", ".join([f"${next(places)}" for _ in range(width)]) + ")" for _ in range(count)):
        return None
    one = insert(f"{head} VALUES ({', '.join(f'${place}' for place in range(1, width + 1))})")
    return dataclasses.replace(one, rows=count) if isinstance(one, Insert) and one.rows == 1 else None


@lru_cache(maxsize=256)
def insert(sql: str) -> Insert | InsertRows:
    """Of a text that begins with INSERT; StatementError 42601, or 0A000 for what the data pool does not do."""
    every = list(tokens(sql))
    place = _expect(every, 1, "into")
    schema, name, place = _name(every, place)
    columns: tuple[str, ...] = ()
    if _text(every, place) == "(" and _text(every, place + 1) not in ("select", "with", "values", "("):
        columns, place = _columns(every, place)
    _refuse_clauses(every, place)
    if _text(every, place) == "default":
        raise StatementError("0A000", "INSERT … DEFAULT VALUES is not supported on tables of the data pool", hint="Name the columns.")
    rows = _parameter_rows(every[place:], len(columns))
    if rows:
        return Insert(schema, name, columns, rows=rows)
    if place >= len(every):
        raise StatementError("42601", "syntax error at end of input")
    literals = _literal_rows(every[place:])
    if literals is not None:
        values, width = literals
        return InsertRows(Insert(schema, name, columns, rows=len(values) // width), values, width)
    return Insert(schema, name, columns, query=sql[every[place].start :])


def truncate(sql: str) -> Truncate:
    """Of a text that begins with TRUNCATE."""
    every = list(tokens(sql))
    place = 2 if _text(every, 1) == "table" else 1
    found = []
    while True:
        place += _text(every, place) == "only"
        schema, name, place = _name(every, place)
        found.append((schema, name))
        if _text(every, place) != ",":
            break
        place += 1
    rest = [token.folded for token in every[place:]]
    if rest not in ([], ["continue", "identity"], ["restrict"], ["continue", "identity", "restrict"], ["restart", "identity"]):
        raise StatementError("0A000", f"TRUNCATE … {' '.join(rest).upper()} is not supported on tables of the data pool")
    return Truncate(tuple(found))


def _text(every: Sequence[Token], place: int) -> str:
    return every[place].folded if place < len(every) else ""


def _expect(every: Sequence[Token], place: int, word: str) -> int:
    if _text(every, place) != word:
        near = f'at or near "{every[place].text}"' if place < len(every) else "at end of input"
        raise StatementError("42601", f"syntax error {near}")
    return place + 1


def _name(every: Sequence[Token], place: int) -> tuple[str | None, str, int]:
    if place >= len(every) or every[place].kind not in ("word", "name"):
        _expect(every, place, "a name")
    first = every[place].folded
    if _text(every, place + 1) != ".":
        return None, first, place + 1
    return first, _text(every, place + 2), place + 3


def _columns(every: Sequence[Token], place: int) -> tuple[tuple[str, ...], int]:
    found = []
    while True:
        place += 1
        _, name, place = _name(every, place)
        found.append(name)
        if _text(every, place) == ")":
            return tuple(found), place + 1
        if _text(every, place) != ",":
            _expect(every, place, ",")


_REFUSED = {
    "returning": "Leave it away, and SELECT the rows after COMMIT.",
    "on conflict": "INSERT into another table of the data pool, COMMIT, and CALL bdc.merge(target, source): it replaces by key, and adds.",
}
"""Clause → what to write instead."""


def _refuse_clauses(every: Sequence[Token], place: int) -> None:
    depth = 0
    for at in range(place, len(every)):
        text = every[at].text
        depth += (text == "(") - (text == ")")
        if depth or every[at].kind != "word":
            continue
        clause = "on conflict" if every[at].folded == "on" and _text(every, at + 1) == "conflict" else every[at].folded
        if clause in _REFUSED:
            raise StatementError("0A000", f"INSERT … {clause.upper()} is not supported on tables of the data pool", hint=_REFUSED[clause])


def _parameter_rows(rest: Sequence[Token], width: int) -> int:
    """So many rows, when all is ``VALUES ($1, …), ($n, …)`` with the parameters in their order; else 0."""
    if not width or _text(rest, 0) != "values" or (len(rest) - 1 + 1) % (2 * width + 2):
        return 0
    numbers = [token.text for token in rest if token.kind == "parameter"]
    shape = "".join("?" if token.kind == "parameter" else token.text for token in rest[1:])
    row = "(" + ",".join("?" * width) + ")"
    count = len(numbers) // width
    if numbers != [f"${number}" for number in range(1, len(numbers) + 1)] or shape != ",".join([row] * count):
        return 0
    return count


def _literal_rows(rest: Sequence[Token]) -> tuple[tuple[bytes | None, ...], int] | None:
    """Values and their number per row, when all is ``VALUES (1, 'a', NULL), …`` with literals only and rows of one length."""
    if _text(rest, 0) != "values":
        return None
    rows: list[list[bytes | None]] = []
    place = 1
    while True:
        if _text(rest, place) != "(":
            return None
        row: list[bytes | None] = []
        while not row or _text(rest, place) == ",":
            place += 1
            sign = _text(rest, place) if _text(rest, place) in ("-", "+") else ""
            place += bool(sign)
            if place >= len(rest) or not _is_literal(rest[place], bool(sign)):
                return None
            row.append(_value(rest[place], sign))
            place += 1
        if _text(rest, place) != ")":
            return None
        rows.append(row)
        place += 1
        if place == len(rest):
            break
        if _text(rest, place) != ",":
            return None
        place += 1
    width = len(rows[0])
    return (tuple(value for row in rows for value in row), width) if all(len(row) == width for row in rows) else None


def _is_literal(token: Token, signed: bool) -> bool:
    if token.kind == "number":
        return True
    if signed:
        return False
    return (token.kind == "string" and token.text[0] == "'") or (token.kind == "word" and token.folded in ("null", "true", "false"))


def _value(token: Token, sign: str) -> bytes | None:
    if token.kind == "word" and token.folded == "null":
        return None
    return (sign + token.folded).encode()
