"""A statement asked for some keys only: ``SELECT * FROM (statement) AS k(k0, k1) WHERE k1 = ANY ('{…}'::bigint[])``.

PostgreSQL pulls the inner statement up where it may, and so finds its indexes; for a long array it builds a hash table. The array stands
in the text: COPY, by which rows come fastest, takes no parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute

from virtualization.connectors.postgresql.facts import Facts
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


def narrowed(text: str, columns: Sequence[OutputColumn], column: str, keys: Any, facts: Facts) -> str | None:  # noqa: ANN401
    """``text`` with only the rows whose ``column`` is among ``keys``; None where the source can't be told these keys."""
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
    names = [f"k{number}" for number in range(len(columns))]
    # where a column may have a collation of its own, two of them could meet: an error, or another equality
    collation = ' COLLATE "C"' if element == "text" and not facts.orders_by_code_point else ""
    return f"SELECT * FROM ({text}) AS k({', '.join(names)}) WHERE {names[place]}{collation} = ANY ('{array}'::{element}[])"


def _element(of: PgType, keys: pa.DataType) -> str:
    """The type in which keys are told. Whole numbers are compared with any exact number."""
    if pa.types.is_integer(keys):
        return "bigint" if of.name != "numeric" else "numeric"
    return _ELEMENTS.get(of.name, of.name)
