"""What a connector may offer besides ``virtualization.plan.Connector``: to run a text of the source's own language as it is.

The rows travel as JSON objects, because nobody knows the columns before the source has answered.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, Protocol, runtime_checkable

import pyarrow as pa
import pyarrow.compute
from sqlglot import TokenType, exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import SqlglotError

from virtualization.errors import SourceError
from virtualization.plan import Batches, QueryContext
from virtualization.types import arrow_field

WHAT = "the text given to bdc.remote_query"
"""For messages: what runs at the source."""

SCHEMA = pa.schema([arrow_field("row", "text")])

pc: Any = pyarrow.compute
_READING = frozenset({"SELECT", "WITH", "SHOW", "EXPLAIN", "DESCRIBE", "DESC", "VALUES", "TABLE"})
_QUOTED = (TokenType.STRING, TokenType.IDENTIFIER, TokenType.NATIONAL_STRING)
_BEGINNING = frozenset((
    "ALTER", "BACKUP", "BEGIN", "BULK", "CREATE", "DBCC", "DECLARE", "DELETE", "DENY", "DROP", "EXEC", "EXECUTE", "GRANT",
    "INSERT", "INTO", "KILL", "MERGE", "OPENDATASOURCE", "OPENQUERY", "OPENROWSET", "RECONFIGURE", "RESTORE", "REVERT", "REVOKE",
    "SET", "SHUTDOWN", "TRUNCATE", "UPDATE", "UPDATETEXT", "USE", "WRITETEXT",
))  # fmt: skip
_ESCAPED = (("\\", "\\\\"), ('"', '\\"'), *((chr(code), f"\\u{code:04x}") for code in range(32)))


@runtime_checkable
class Passthrough(Protocol):
    """A connector that has this method takes such texts; the others need not know of it."""

    def passthrough(self, text: str, context: QueryContext) -> Batches:
        """The rows of one query, each a JSON object, in the only column (text). It may read only, and nothing that it does to its session
        may meet another statement. SourceError as of any statement."""
        ...


class OwnSession:
    """Batches whose end is also their session's. ``end`` ends it, and may be called again."""

    def __init__(self, rows: Batches, end: Callable[[], None]) -> None:
        self._rows = rows
        self._end = end

    @property
    def schema(self) -> pa.Schema:
        """One column, a text."""
        return self._rows.schema

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        yield from self._rows

    def close(self) -> None:
        """Harmless when repeated."""
        self._rows.close()
        self._end()


def check_reads(text: str, dialect: str, source: str, *, session_reads_only: bool) -> None:
    """SourceError for a text that is not one statement that reads. Where nothing but this keeps the session from writing
    (``session_reads_only`` is false), it must be a query through and through."""
    try:
        tokens = Dialect.get_or_raise(dialect).tokenize(text)
        while tokens and tokens[-1].token_type == TokenType.SEMICOLON:
            tokens.pop()
        single = bool(tokens) and all(token.token_type != TokenType.SEMICOLON for token in tokens)
        first = next((token.text.upper() for token in tokens if token.token_type != TokenType.L_PAREN), "")
        reads = single and first in _READING and (session_reads_only or _is_query(text, dialect))
        reads = reads and not (first == "WITH" and _writes(text, dialect))
    except SqlglotError:
        reads = False
    if not reads:
        raise SourceError(
            f'data source "{source}": bdc.remote_query takes one statement that reads',
            hint="SELECT or WITH; what is to be changed there is changed with the source's own tools.",
        )


def _writes(text: str, dialect: str) -> bool:
    """Is it certainly something else than a query? What sqlglot can't read is left to the source."""
    try:
        return any(
            isinstance(one, exp.DML | exp.DDL) and not isinstance(one, exp.Query) for one in Dialect.get_or_raise(dialect).parse(text)
        )
    except SqlglotError:
        return False


def _is_query(text: str, dialect: str) -> bool:
    """Through and through; T-SQL needs nothing between two statements, so no word that begins another one may be in it."""
    words = {token.text.upper() for token in Dialect.get_or_raise(dialect).tokenize(text) if token.token_type not in _QUOTED}
    if words & _BEGINNING:
        return False
    made = Dialect.get_or_raise(dialect).parse(text)
    if len([one for one in made if one is not None]) != 1 or not isinstance(made[0], exp.Query):
        return False
    return made[0].find(exp.Into, exp.Lock, exp.DML, exp.Command) is None


def json_rows(batch: pa.RecordBatch, numbers: frozenset[int] = frozenset()) -> pa.RecordBatch:
    """Each row as a JSON object; no step of Python per row. Numbers stay numbers with all their digits, bytes are PostgreSQL's hex.
    ``numbers``: columns whose texts are numbers."""
    if not batch.num_columns:
        return pa.RecordBatch.from_arrays([pa.array(["{}"] * batch.num_rows, pa.string())], schema=SCHEMA)
    members = [
        pc.binary_join_element_wise(
            json.dumps(name, ensure_ascii=False) + ":", pc.coalesce(values, "null") if at in numbers else _values(values), ""
        )
        for at, (name, values) in enumerate(zip(batch.schema.names, batch.columns, strict=True))
    ]
    inner = pc.binary_join_element_wise(*members, ",") if len(members) > 1 else members[0]
    made = pc.binary_join_element_wise("{", inner, "}", "")
    return pa.RecordBatch.from_arrays([made.cast(pa.string())], schema=SCHEMA)


def _values(values: Any) -> Any:  # noqa: ANN401 Arrow arrays of any type
    kind = values.type
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind):
        texts = pc.cast(values, pa.string())
    elif pa.types.is_floating(kind):
        finite = pc.is_finite(values)
        texts = pc.if_else(finite, pc.cast(values, pa.string()), _quoted(pc.cast(values, pa.string())))
    elif pa.types.is_decimal(kind):
        texts = pc.cast(values, pa.string())
    elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        texts = pa.array([None if one is None else f'"\\\\x{one.hex()}"' for one in values.to_pylist()], pa.string())  # Arrow has no hex
    else:
        texts = _quoted(pc.cast(values, pa.string()))
    return pc.coalesce(texts, "null")


def _quoted(texts: Any) -> Any:  # noqa: ANN401
    for sign, written in _ESCAPED:
        if pc.any(pc.match_substring(texts, sign)).as_py():
            texts = pc.replace_substring(texts, sign, written)
    return pc.binary_join_element_wise('"', texts, '"', "")
