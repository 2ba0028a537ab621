"""A statement asked for some keys only: ``SELECT * FROM (statement) AS k(c0, c1) WHERE c1 = ANY ('{…}'::bigint[])``.

PostgreSQL pulls the inner statement up where it may, and so finds its indexes; for a long array it builds a hash table. The array stands
in the text: COPY, by which rows come fastest, takes no parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute

from virtualization.connectors.postgresql.facts import Facts
from virtualization.connectors.postgresql.types import is_decimal
from virtualization.encoding.text import text_column
from virtualization.plan import OutputColumn
from virtualization.types import PgType, pg_type

MOST_KEYS = 100_000
"""Some 0.1 s of the source's time, and a statement of about a megabyte."""

MOST_BYTES = 4 * 1024 * 1024
"""Of the keys in the statement."""

_TEXTS = ("text", "character varying")
_ELEMENTS = {"smallint": "bigint", "integer": "bigint", "character varying": "text"}

pc: Any = pyarrow.compute


def condition(columns: Sequence[OutputColumn], column: str, keys: Any, facts: Facts) -> str | None:  # noqa: ANN401
    """That ``column`` is among ``keys``, over columns named c0, c1 …; None where the source can't be told these keys."""
    place = [one.name for one in columns].index(column)
    element = _element(pg_type(columns[place].type), keys.type)
    values = text_column(keys, pg_type(element), "UTC").cast(pa.string())
    if element == "text":
        if not facts.utf8:
            return None  # a key that the source's encoding has no place for would be an error there
        values = pc.filter(values, pc.invert(pc.match_substring(values, "\0")))  # PostgreSQL has no such text
        values = pc.replace_substring(pc.replace_substring(values, "\\", "\\\\"), '"', '\\"')
        quote = pa.scalar('"')
        values = pc.binary_join_element_wise(quote, values, quote, pa.scalar(""))
    if values.nbytes > MOST_BYTES:
        return None
    array = "{" + ",".join(values.to_pylist()).replace("'", "''") + "}"
    # where a column may have a collation of its own, two of them could meet: an error, or another equality
    collation = ' COLLATE "C"' if element == "text" and not facts.orders_by_code_point else ""
    return f"c{place}{collation} = ANY ('{array}'::{element}[])"


def with_condition(text: str, columns: Sequence[OutputColumn], condition: str, *, again: bool) -> str:
    """``text`` with a condition over its columns; ``again``: it has one already."""
    if again:
        return f"{text} AND {condition}"
    if any(is_decimal(pg_type(one.type)) for one in columns):
        return f"{text} WHERE {condition}"  # they are cast around the query already: see ``remote_sql.with_transport``
    names = ", ".join(f"c{number}" for number in range(len(columns)))
    return f"SELECT * FROM ({text}) AS k({names}) WHERE {condition}"


def _element(of: PgType, keys: pa.DataType) -> str:
    """The type in which keys are told. Whole numbers are compared with any exact number."""
    if pa.types.is_integer(keys):
        return "bigint" if of.name != "numeric" else "numeric"
    return _ELEMENTS.get(of.name, of.name)
