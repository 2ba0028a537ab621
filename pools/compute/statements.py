"""What a statement asks of the session: a query to plan, or a command that the session carries out itself. Pure.

The commands are those that stock postgres_fdw, psql and the common drivers send.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from pools.compute.errors import StatementError
from pools.compute.lexer import Token, tokens
from pools.compute.writes import parsing
from virtualization.plan import OutputColumn

ALL = -1
"""As a number of rows: to the end."""


@dataclass(frozen=True, slots=True)
class Select:
    """A query for the planner."""

    sql: str


@dataclass(frozen=True, slots=True)
class Set:
    """``value`` None: back to the default (RESET, DEFAULT); ``local``: until the transaction ends. Name ``all``: RESET ALL."""

    name: str
    value: str | None
    local: bool = False


@dataclass(frozen=True, slots=True)
class Show:
    """SHOW name."""

    name: str


@dataclass(frozen=True, slots=True)
class Begin:
    """START TRANSACTION; the modes are accepted: the pool reads only, and promises no snapshot over several sources."""


@dataclass(frozen=True, slots=True)
class Commit:
    """COMMIT, END."""


@dataclass(frozen=True, slots=True)
class Rollback:
    """ROLLBACK, ABORT."""


@dataclass(frozen=True, slots=True)
class Savepoint:
    """``action``: ``make``, ``release``, ``rollback``."""

    action: str
    name: str


@dataclass(frozen=True, slots=True)
class Declare:
    """DECLARE name CURSOR FOR sql; ``hold``: survives the transaction."""

    name: str
    sql: str
    hold: bool = False


@dataclass(frozen=True, slots=True)
class Fetch:
    """FETCH or MOVE (``move``) forward; ``count`` rows, ALL to the end."""

    name: str
    count: int
    move: bool = False


@dataclass(frozen=True, slots=True)
class Rewind:
    """MOVE BACKWARD ALL: the query starts again."""

    name: str


@dataclass(frozen=True, slots=True)
class CloseCursor:
    """CLOSE name; None: ALL."""

    name: str | None


@dataclass(frozen=True, slots=True)
class Deallocate:
    """DEALLOCATE name; None: ALL."""

    name: str | None


@dataclass(frozen=True, slots=True)
class Discard:
    """DISCARD ALL (or a part of it: the rest is nothing here)."""

    what: str


@dataclass(frozen=True, slots=True)
class Explain:
    """EXPLAIN with its options over one query."""

    sql: str
    analyze: bool = False
    format: str = "text"

    @property
    def column(self) -> OutputColumn:
        """Of the answer, as PostgreSQL names it: a row per line, or one document."""
        return OutputColumn("QUERY PLAN", "json" if self.format == "json" else "text")


@dataclass(frozen=True, slots=True)
class Unsupported:
    """A statement that the pool never runs: ``word`` is its first word."""

    word: str


Statement = (
    Select | Set | Show | Begin | Commit | Rollback | Savepoint | Declare | Fetch | Rewind | CloseCursor | Deallocate | Discard
    | Explain | Unsupported | parsing.Write
)  # fmt: skip


class _Words:
    """Reads along the tokens of one statement, and no further: the query behind a DECLARE is long and the planner's to read."""

    def __init__(self, sql: str) -> None:
        self.sql = sql
        self._tokens = tokens(sql)
        self._next = next(self._tokens, None)

    def peek(self) -> Token | None:
        return self._next

    def accept(self, *words: str) -> str | None:
        token = self._next
        if token is not None and token.kind in ("word", "sign") and token.folded in words:
            self._next = next(self._tokens, None)
            return token.folded
        return None

    def expect(self, *words: str) -> str:
        found = self.accept(*words)
        if found is None:
            raise self.error()
        return found

    def next(self) -> Token:
        token = self.peek()
        if token is None:
            raise self.error()
        self._next = next(self._tokens, None)
        return token

    def name(self) -> str:
        token = self.next()
        if token.kind not in ("word", "name"):
            raise self.error(token)
        return token.folded

    def end(self) -> None:
        if self.peek() is not None:
            raise self.error()

    def rest(self) -> str:
        token = self.peek()
        if token is None:
            raise self.error()
        return self.sql[token.start :]

    def error(self, at: Token | None = None) -> StatementError:
        token = at or self.peek()
        return StatementError("42601", f'syntax error at or near "{token.text}"' if token else "syntax error at end of input")


@lru_cache(maxsize=512)
def read(sql: str) -> Statement:
    """Of one statement's text (without semicolon); StatementError 42601 where a command's syntax is wrong."""
    words = _Words(sql)
    first = words.next()
    if first.text == "(" or first.folded in ("select", "with", "values", "table"):
        return Select(sql)
    reader = _READERS.get(first.folded) if first.kind == "word" else None
    if reader is None:
        return Unsupported(first.text.upper())
    return reader(words)


def _set(words: _Words) -> Statement:
    local = words.accept("session", "local") == "local"
    if words.accept("transaction") or words.accept("characteristics"):
        return Set("transaction", words.rest(), local)
    if words.accept("authorization"):
        return Set("session_authorization", None if words.accept("default") else _value(words), local)
    name = _setting(words)
    if name == "time" and words.accept("zone"):
        name = "timezone"
    elif name != "role":
        words.expect("to", "=")
    if words.accept("default") or (name == "timezone" and words.accept("local")):
        return Set(name, None, local)
    return Set(name, _value(words), local)


def _setting(words: _Words) -> str:
    name = words.name().lower()
    while words.accept("."):
        name += "." + words.name().lower()
    return name


def _value(words: _Words) -> str:
    parts = []
    token: Token | None = words.next()
    while token is not None:
        parts.append("," if token.text == "," else token.folded)
        token = words.next() if words.peek() else None
    return "".join(parts).replace(",", ", ")


def _reset(words: _Words) -> Statement:
    name = _setting(words)
    return Set("timezone" if name == "time" else name, None)


def _show(words: _Words) -> Statement:
    name = _setting(words)
    if name in ("time", "transaction"):
        words.name()
        name = "timezone" if name == "time" else "transaction_isolation"
        words.accept("level")
    words.end()
    return Show(name)


def _start(words: _Words) -> Statement:
    words.expect("transaction")
    return Begin()


def _rollback(words: _Words) -> Statement:
    words.accept("work", "transaction")
    if words.accept("to"):
        words.accept("savepoint")
        return Savepoint("rollback", words.name())
    return Rollback()


def _release(words: _Words) -> Statement:
    words.accept("savepoint")
    return Savepoint("release", words.name())


def _declare(words: _Words) -> Statement:
    name = words.name()
    while not words.accept("cursor"):
        words.expect("binary", "insensitive", "asensitive", "no", "scroll")
    hold = bool(words.accept("with"))
    if hold or words.accept("without"):
        words.expect("hold")
    words.expect("for")
    return Declare(name, words.rest(), hold)


def _fetch(words: _Words, *, move: bool = False) -> Statement:
    count = 1
    if words.accept("backward", "prior", "first"):
        if move and words.accept("all"):
            words.accept("from", "in")
            return Rewind(words.name())
        raise StatementError("55000", "cursor can only scan forward", hint="MOVE BACKWARD ALL starts it again.")
    words.accept("next", "forward")
    token = words.peek()
    if token is not None and token.kind == "number":
        count = int(words.next().text)
    elif words.accept("all"):
        count = ALL
    words.accept("from", "in")
    name = words.name()
    words.end()
    return Fetch(name, count, move)


def _close(words: _Words) -> Statement:
    return CloseCursor(None if words.accept("all") else words.name())


def _deallocate(words: _Words) -> Statement:
    words.accept("prepare")
    return Deallocate(None if words.accept("all") else words.name())


_EXPLAIN_OPTIONS = frozenset({
    "analyze", "verbose", "costs", "settings", "generic_plan", "buffers", "serialize", "wal", "timing", "summary", "memory", "format",
})  # fmt: skip
"""PostgreSQL's; all but ``analyze`` and ``format`` mean nothing here."""


def _explain(words: _Words) -> Statement:
    options: dict[str, str] = {}
    if words.accept("("):
        while True:
            name = words.name().lower()
            if name not in _EXPLAIN_OPTIONS:
                raise StatementError("42601", f'unrecognized EXPLAIN option "{name}"')
            token = words.peek()
            options[name] = words.next().folded.lower() if token and token.text not in (",", ")") else "true"
            if words.expect(",", ")") == ")":
                break
    else:
        while found := words.accept("analyze", "verbose"):
            options[found] = "true"
    form = options.get("format", "text")
    if form not in ("text", "json"):
        raise StatementError("0A000", f"the compute pool does not explain in format {form}", hint="FORMAT TEXT or FORMAT JSON.")
    return Explain(words.rest(), options.get("analyze", "false") in ("true", "on", "1"), form)


_READERS: dict[str, Callable[[_Words], Statement]] = {
    "set": _set,
    "reset": _reset,
    "show": _show,
    "begin": lambda words: Begin(),
    "start": _start,
    "commit": lambda words: Commit(),
    "end": lambda words: Commit(),
    "abort": lambda words: Rollback(),
    "rollback": _rollback,
    "savepoint": lambda words: Savepoint("make", words.name()),
    "release": _release,
    "declare": _declare,
    "fetch": _fetch,
    "move": lambda words: _fetch(words, move=True),
    "close": _close,
    "deallocate": _deallocate,
    "discard": lambda words: Discard(words.expect("all", "plans", "sequences", "temp", "temporary")),
    "explain": _explain,
    "insert": lambda words: parsing.insert(words.sql),
    "update": lambda words: parsing.Modify(words.sql, "UPDATE"),
    "delete": lambda words: parsing.Modify(words.sql, "DELETE"),
    "truncate": lambda words: parsing.truncate(words.sql),
}
