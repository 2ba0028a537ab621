"""What the driver hands over, as the library's Arrow contract: exact, or an error that names the column.

Most types come as texts: every driver can make them, no digit is lost on the way, and a value that is none of its type is found here
(arrow-odbc ends the whole process where a driver gives a date that there is not).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from virtualization.connectors.odbc.capabilities import Capabilities, family
from virtualization.errors import DataError, DefinitionError, InternalError
from virtualization.plan import OutputColumn
from virtualization.types import PgType, arrow_field

_FETCHED: dict[str, pa.DataType] = {"text": pa.string(), "int64": pa.int64(), "double": pa.float64(), "binary": pa.binary()}
_TRUE, _FALSE = pa.array(["1", "t", "true", "-1"]), pa.array(["0", "f", "false"])
_LENGTH_HEADER = 4


@dataclass(frozen=True)
class Output:
    """One column of an answer: ``sql`` in the select list, ``fetched`` (see ``capabilities.FETCHED``) from the driver."""

    name: str
    of: PgType
    sql: str
    fetched: str
    typed: bool = False
    """Does the source's driver tell each column's own type?"""


def output(name: str, of: PgType, value: str, plain: str | None, known: Capabilities) -> Output:
    """``value`` (of the column ``plain``, or exact) as it travels; DefinitionError for a type that this driver's product is not known to
    send."""
    kind = family(of)
    if kind == "other" and not known.any_type and of.name not in ("character", "uuid", "json"):
        raise DefinitionError(
            f'column "{name}" is declared {of.text}, which is not carried from this ODBC driver',
            hint="Declare it text, or cast it at the source (in a view).",
        )
    # a column that is told by its own type needs no cast, which would make some number of any text, too
    sent = plain if plain and known.typed and kind == "integer" else known.form(kind).sent.format(v=value, c=plain or value)
    return Output(name, of, sent, known.fetched(kind), known.typed)


@dataclass(frozen=True)
class Columns:
    """See ``client.Shape``: the columns of a virtual table's query."""

    outputs: tuple[Output, ...]

    @property
    def schema(self) -> pa.Schema:
        """As promised by the fragment."""
        return schema(self.outputs)

    def reading(self) -> Mapping[str, Any]:
        """Each in the type that it is fetched as."""
        return {"map_schema": self._fetched}

    def _fetched(self, told: pa.Schema) -> pa.Schema:
        """Where a number is asked for and something else comes (a declaration that is wide of the mark, a column that was changed since),
        it comes as text, which fits exactly or is an error: drivers make some number of any text."""
        wanted = fetched_schema(self.outputs)
        pairs = zip(self.outputs, wanted, told, strict=True)
        return pa.schema([pa.field(asked.name, pa.string()) if one.typed and _strange(asked.type, found.type) else asked
                          for one, asked, found in pairs])  # fmt: skip

    def row_bytes(self, value_bytes: int) -> int:
        """Texts come as UTF-16."""
        wide = sum(one.fetched in ("text", "binary") for one in self.outputs)
        return wide * (2 * value_bytes + 64) + 16 * len(self.outputs)

    def made(self, batch: pa.RecordBatch, where: str) -> pa.RecordBatch:
        """See ``to_contract``."""
        return to_contract(batch, self.outputs, where)


def _strange(asked: pa.DataType, found: pa.DataType) -> bool:
    if pa.types.is_int64(asked):
        return not (pa.types.is_integer(found) or pa.types.is_boolean(found))
    return pa.types.is_float64(asked) and pa.types.is_string(found)


def columns(outputs: Sequence[Output]) -> tuple[OutputColumn, ...]:
    """As a fragment promises them."""
    return tuple(OutputColumn(one.name, one.of.text) for one in outputs)


def schema(outputs: Sequence[Output]) -> pa.Schema:
    """Of the batches that ``to_contract`` makes."""
    return pa.schema([arrow_field(one.name, one.of.text) for one in outputs])


def fetched_schema(outputs: Sequence[Output]) -> pa.Schema:
    """What arrow-odbc is asked for."""
    return pa.schema([pa.field(f"c{number}", _FETCHED[one.fetched]) for number, one in enumerate(outputs)])


def to_contract(batch: pa.RecordBatch, outputs: Sequence[Output], where: str) -> pa.RecordBatch:
    """One batch; DataError names the column whose value does not fit its type."""
    if batch.num_columns != len(outputs):
        raise InternalError(f"{where}: {batch.num_columns} columns came, {len(outputs)} were asked for")
    made = [_column(values, one, where) for values, one in zip(batch.columns, outputs, strict=True)]
    return pa.RecordBatch.from_arrays(made, schema=schema(outputs))


def _column(values: pa.Array[Any], one: Output, where: str) -> pa.Array[Any]:
    target = one.of.arrow
    try:
        if pa.types.is_string(values.type):
            made = _from_text(values, one, target)
        elif pa.types.is_boolean(target):
            made = pc.not_equal(values, pa.scalar(0, values.type))
        else:
            made = pc.cast(values, target)
    except pa.ArrowInvalid as error:
        raise DataError(
            f'{where}: column "{one.name}" holds a value that is no {one.of.text}: {_short(error)}',
            hint="Declare the column with another type, or mend the value at the source.",
        ) from None
    return made


def _from_text(values: pa.Array[Any], one: Output, target: pa.DataType) -> pa.Array[Any]:
    if pa.types.is_string(target):
        return _checked_length(values, one.of)
    if pa.types.is_boolean(target):
        return _truth(values)
    if pa.types.is_floating(target) or pa.types.is_integer(target):
        values = pc.utf8_trim_whitespace(values)
    if pa.types.is_time(target):  # Arrow reads times only behind a date
        join: Any = pc.binary_join_element_wise
        values = pc.cast(join("1970-01-01", values, " "), pa.timestamp("us"))
    return pc.cast(values, target)


def _checked_length(values: pa.Array[Any], of: PgType) -> pa.Array[Any]:
    if of.name not in ("character varying", "character") or of.typmod < 0:
        return values
    longest: int = pc.max(pc.utf8_length(values)).as_py() or 0  # type: ignore[call-overload]
    if longest > of.typmod - _LENGTH_HEADER:
        raise pa.ArrowInvalid(f"a text has {longest} characters")
    return values


def _truth(values: pa.Array[Any]) -> pa.Array[Any]:
    words = pc.utf8_lower(values)
    true, false = pc.is_in(words, value_set=_TRUE), pc.is_in(words, value_set=_FALSE)
    known = pc.or_(pc.or_(true, false), pc.is_null(words))
    if not pc.all(known).as_py() and len(values):
        raise pa.ArrowInvalid("it is neither 1 nor 0")
    made: pa.Array[Any] = pc.if_else(pc.is_null(words), pa.scalar(None, pa.bool_()), true)
    return made


def _short(error: Exception) -> str:
    return str(error).split("\n")[0][:200]
