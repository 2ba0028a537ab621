"""Arriving batches in the form of the table: types checked and cast, NULL and lengths checked, the column named when it does not fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pools.data.errors import ShardError
from pools.data.tables import ColumnSpec, TableSpec

SAMPLE_ROWS, FEWEST_ROWS = 16_384, 4096
"""Of a stream's first batch, to tell prose from codes; from fewer rows than the second nothing is concluded."""

PROSE_BYTES = 16
"""A value's mean length from which on mostly distinct text is prose."""

_VARLENA_HEADER = 4
_CHARACTER, _VARCHAR, _UUID, _JSON, _JSONB = 1042, 1043, 2950, 114, 3802


@dataclass(frozen=True)
class _Source:
    """Where a column comes from: the batch's column ``index``, ``cast`` to the carrying type when it is not of it."""

    column: ColumnSpec
    index: int
    cast: bool


class BatchForm:
    """Made once per stream, from the schema that the client sends; ShardError 42703 or 42804 where it does not fit the table."""

    def __init__(self, table: TableSpec, schema: pa.Schema) -> None:
        unknown = [name for name in schema.names if name not in table.by_name]
        if unknown:
            raise ShardError("42703", f'the table has no column "{unknown[0]}"', detail=f"Columns: {', '.join(table.by_name)}.")
        if len(set(schema.names)) != len(schema.names):
            raise ShardError("42701", "a column is there twice in what is sent")
        self._sources = tuple(self._source(column, schema) for column in table.columns if column.name in schema.names)
        self._lengths = tuple((source, length) for source in self._sources if (length := _length(source.column)) is not None)
        self._key = frozenset(column.name for column in table.key_columns)
        self._absent = tuple(column for column in table.columns if column.name not in schema.names)
        for column in self._absent:
            if not column.nullable and column.default is None:
                raise _not_null(column)
        self.schema = pa.schema([pa.field(source.column.physical, source.column.type.arrow) for source in self._sources])

    @staticmethod
    def _source(column: ColumnSpec, schema: pa.Schema) -> _Source:
        given, wanted = schema.field(column.name).type, column.type.arrow
        if given == wanted:
            return _Source(column, schema.get_field_index(column.name), cast=False)
        if not _castable(given, wanted):
            raise ShardError("42804", f'column "{column.name}" is of type {column.type} but the data is of Arrow type {given}')
        return _Source(column, schema.get_field_index(column.name), cast=True)

    @property
    def columns(self) -> tuple[str, ...]:
        """Physical columns that an INSERT names: those that are sent, then those with a default."""
        return tuple(source.column.physical for source in self._sources) + tuple(one.physical for one in self._absent if one.default)

    @property
    def expressions(self) -> tuple[str, ...]:
        """For each of ``columns``, over a relation with ``schema``."""
        sent = (_stored(source.column) for source in self._sources)
        return (*sent, *(f"CAST({one.default} AS {one.duckdb})" for one in self._absent if one.default))

    def fit(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch with ``schema``; ShardError names the column that does not fit."""
        arrays = [self._array(source, batch) for source in self._sources]
        for source, length in self._lengths:
            longest = pc.max(pc.call_function("utf8_length", [arrays[self._sources.index(source)]])).as_py()
            if longest is not None and longest > length:
                raise ShardError("22001", f'value too long for column "{source.column.name}" of type {source.column.type}')
        if not arrays:
            raise ShardError("42804", "what is sent has no columns")
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def prose(self, batch: pa.RecordBatch) -> frozenset[str]:
        """Physical names of the text columns (but key and uuid) whose values are long and mostly distinct: comments, documents, paths.
        The store packs them in another way than codes and names, which a dictionary suits."""
        sample = batch.slice(0, SAMPLE_ROWS)
        if sample.num_rows < FEWEST_ROWS:
            return frozenset()
        fitting = self.fit(sample)
        candidates = (one.column for one in self._sources if one.column.duckdb == "VARCHAR" and one.column.type.oid != _UUID)
        return frozenset(one.physical for one in candidates if one.name not in self._key and _is_prose(fitting.column(one.physical)))

    @staticmethod
    def _array(source: _Source, batch: pa.RecordBatch) -> pa.Array[Any]:
        array = batch.column(source.index)
        if not source.column.nullable and array.null_count:
            raise _not_null(source.column)
        if not source.cast:
            return array
        try:
            return _cast(array, source.column.type.arrow)
        except pa.ArrowInvalid as error:
            message = f'column "{source.column.name}": a value does not fit type {source.column.type}'
            raise ShardError("22003", message, detail=str(error).splitlines()[0]) from error


def _cast(array: pa.Array[Any], wanted: pa.DataType) -> pa.Array[Any]:
    if isinstance(array, pa.DictionaryArray):
        array = array.dictionary_decode()
    return array.cast(wanted, safe=True)


def _is_prose(texts: pa.Array[Any]) -> bool:
    values = len(texts) - texts.null_count
    if values < FEWEST_ROWS:
        return False
    size = pc.sum(pc.call_function("binary_length", [texts])).as_py()
    distinct = pc.count_distinct(texts, mode="only_valid").as_py()
    return bool(size >= PROSE_BYTES * values and 2 * distinct > values)


def _not_null(column: ColumnSpec) -> ShardError:
    return ShardError("23502", f'null value in column "{column.name}" violates not-null constraint')


def _length(column: ColumnSpec) -> int | None:
    """Characters that a value may have."""
    of = column.type
    return of.typmod - _VARLENA_HEADER if not of.array and of.oid in (_CHARACTER, _VARCHAR) and of.typmod >= 0 else None


def _stored(column: ColumnSpec) -> str:
    """The column of the arriving relation as it is stored: text forms are brought into their one spelling."""
    if column.type.oid == _UUID:
        return f"CAST(CAST({column.physical} AS UUID) AS VARCHAR)"
    return column.physical


_Check = Callable[[pa.DataType], bool]
_TEXT: tuple[_Check, ...] = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
_BINARY: tuple[_Check, ...] = (
    *(pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary),
    pa.types.is_binary_view,
)
_EXACT: tuple[_Check, ...] = (pa.types.is_integer, pa.types.is_decimal)
_FAMILIES: tuple[tuple[tuple[_Check, ...], tuple[_Check, ...]], ...] = (
    # what the data may be, what the column may be then: only what keeps each value as it is, or fails
    (_EXACT, (*_EXACT, pa.types.is_floating)),
    ((pa.types.is_floating,), (pa.types.is_floating,)),
    (_TEXT, _TEXT),
    (_BINARY, _BINARY),
    ((pa.types.is_date,), (pa.types.is_date,)),
    ((pa.types.is_time,), (pa.types.is_time,)),
    ((pa.types.is_null,), (lambda _: True,)),
)


def _castable(given: pa.DataType, wanted: pa.DataType) -> bool:
    if pa.types.is_dictionary(given):
        return _castable(given.value_type, wanted) or given.value_type == wanted
    if pa.types.is_timestamp(given) and pa.types.is_timestamp(wanted):
        return (given.tz is None) == (wanted.tz is None)
    return any(any(one(given) for one in of) and any(one(wanted) for one in into) for of, into in _FAMILIES)
