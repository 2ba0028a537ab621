"""PostgreSQL types and the Arrow types that carry them.

Every type that a virtual table may declare is one line of ``REGISTRY``. A type with an exact Arrow form travels in it; any other
travels as its PostgreSQL text in a string column. In both cases the field's metadata ``b"pg:type"`` says the PostgreSQL type, as
``format_type`` prints it.

Infinite dates and timestamps are the largest value of their Arrow integer and its negative (DuckDB's convention).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import pyarrow as pa

from virtualization.catalog import Column
from virtualization.errors import DefinitionError

PG_TYPE = b"pg:type"
"""Key of the field metadata."""

TEXT_BYTES = 32
"""Taken for a value whose type has no fixed length, where bytes are estimated."""

NO_TYPMOD = -1
MAX_DECIMAL_PRECISION = 38
_VARLENA_HEADER = 4  # PostgreSQL adds it to the typmods of numeric, varchar and bpchar
_ANY_INTERVAL_FIELDS = 0x7FFF


@dataclass(frozen=True)
class RegisteredType:
    """One line of the registry: ``format_type`` name, oid, oid of its array, ``pg_type.typlen`` (-1: varies),
    the Arrow type that carries it exactly (None: travels as text), other spellings."""

    name: str
    oid: int
    array_oid: int
    length: int
    arrow: pa.DataType | None = None
    aliases: tuple[str, ...] = ()


REGISTRY: tuple[RegisteredType, ...] = (
    RegisteredType("boolean", 16, 1000, 1, pa.bool_(), ("bool",)),
    RegisteredType("bytea", 17, 1001, -1, pa.binary()),
    RegisteredType('"char"', 18, 1002, 1, None),
    RegisteredType("name", 19, 1003, 64, pa.string()),
    RegisteredType("bigint", 20, 1016, 8, pa.int64(), ("int8",)),
    RegisteredType("smallint", 21, 1005, 2, pa.int16(), ("int2",)),
    RegisteredType("integer", 23, 1007, 4, pa.int32(), ("int", "int4")),
    RegisteredType("text", 25, 1009, -1, pa.string(), ("string",)),
    RegisteredType("oid", 26, 1028, 4),
    RegisteredType("tid", 27, 1010, 6),
    RegisteredType("xid", 28, 1011, 4),
    RegisteredType("cid", 29, 1012, 4),
    RegisteredType("json", 114, 199, -1),
    RegisteredType("xml", 142, 143, -1),
    RegisteredType("point", 600, 1017, 16),
    RegisteredType("lseg", 601, 1018, 32),
    RegisteredType("path", 602, 1019, -1),
    RegisteredType("box", 603, 1020, 32),
    RegisteredType("polygon", 604, 1027, -1),
    RegisteredType("line", 628, 629, 24),
    RegisteredType("cidr", 650, 651, -1),
    RegisteredType("real", 700, 1021, 4, pa.float32(), ("float4",)),
    RegisteredType("double precision", 701, 1022, 8, pa.float64(), ("float8", "float", "double")),
    RegisteredType("circle", 718, 719, 24),
    RegisteredType("macaddr8", 774, 775, 8),
    RegisteredType("money", 790, 791, 8),
    RegisteredType("macaddr", 829, 1040, 6),
    RegisteredType("inet", 869, 1041, -1),
    RegisteredType("character", 1042, 1014, -1, pa.string(), ("char", "bpchar", "nchar", "national character")),
    RegisteredType("character varying", 1043, 1015, -1, pa.string(), ("varchar", "char varying", "nvarchar")),
    RegisteredType("date", 1082, 1182, 4, pa.date32()),
    RegisteredType("time without time zone", 1083, 1183, 8, pa.time64("us"), ("time",)),
    RegisteredType("timestamp without time zone", 1114, 1115, 8, pa.timestamp("us"), ("timestamp",)),
    RegisteredType("timestamp with time zone", 1184, 1185, 8, pa.timestamp("us", "UTC"), ("timestamptz",)),
    RegisteredType("interval", 1186, 1187, 16),
    RegisteredType("time with time zone", 1266, 1270, 12, None, ("timetz",)),
    RegisteredType("bit", 1560, 1561, -1),
    RegisteredType("bit varying", 1562, 1563, -1, None, ("varbit",)),
    RegisteredType("numeric", 1700, 1231, -1, None, ("decimal", "dec")),  # decimal128 where constrained: see PgType.arrow
    RegisteredType("uuid", 2950, 2951, 16),
    RegisteredType("pg_lsn", 3220, 3221, 8),
    RegisteredType("tsvector", 3614, 3643, -1),
    RegisteredType("tsquery", 3615, 3645, -1),
    RegisteredType("jsonb", 3802, 3807, -1),
    RegisteredType("int4range", 3904, 3905, -1),
    RegisteredType("numrange", 3906, 3907, -1),
    RegisteredType("tsrange", 3908, 3909, -1),
    RegisteredType("tstzrange", 3910, 3911, -1),
    RegisteredType("daterange", 3912, 3913, -1),
    RegisteredType("int8range", 3926, 3927, -1),
    RegisteredType("jsonpath", 4072, 4073, -1),
)

_BY_NAME = {name: entry for entry in REGISTRY for name in (entry.name, *entry.aliases)}
_BY_OID = {entry.oid: (entry, False) for entry in REGISTRY} | {entry.array_oid: (entry, True) for entry in REGISTRY}
_TIMES = frozenset({1083, 1114, 1184, 1266})
_LENGTHS = frozenset({1042, 1043})
_BITS = frozenset({1560, 1562})
_NUMERIC, _INTERVAL, _BPCHAR = 1700, 1186, 1042
_FORM = re.compile(
    r"""^(?:pg_catalog\.)?(?P<name>"char"|[a-z_][a-z0-9_ ]*?)\s*
        (?:\(\s*(?P<first>\d+)\s*(?:,\s*(?P<second>-?\d+)\s*)?\))?\s*
        (?P<rest>(?:with|without)\ time\ zone)?\s*(?P<array>(?:\[\d*\])+|\ array)?$""",
    re.VERBOSE,
)
_FIELDS = re.compile(
    r"^interval (year|month|day|hour|minute|second|year to month|day to (hour|minute|second)|hour to (minute|second)|minute to second)$"
)


@dataclass(frozen=True)
class PgType:
    """A PostgreSQL type with its modifier. Build it with ``pg_type`` (from text) or ``pg_type_by_oid``."""

    name: str
    """``format_type`` name without modifier and brackets."""

    oid: int
    """Of the type itself: the array's oid when ``array``."""

    typmod: int = NO_TYPMOD
    array: bool = False

    @property
    def element_oid(self) -> int:
        """The oid without the array."""
        return _BY_NAME[self.name].oid

    @property
    def length(self) -> int:
        """``pg_type.typlen``, as RowDescription wants it."""
        return -1 if self.array else _BY_NAME[self.name].length

    @property
    def precision_and_scale(self) -> tuple[int, int] | None:
        """Of a constrained numeric."""
        if self.element_oid != _NUMERIC or self.typmod == NO_TYPMOD:
            return None
        packed = self.typmod - _VARLENA_HEADER
        return packed >> 16, ((packed & 0x7FF) ^ 1024) - 1024  # the scale is an 11-bit signed number

    @property
    def arrow(self) -> pa.DataType:
        """The Arrow type that carries it; string when it travels as text."""
        return _exact_arrow(self) or pa.string()

    @property
    def travels_as_text(self) -> bool:
        """Is the carrying string the type's text form, not its value? (False for text-like types.)"""
        return _exact_arrow(self) is None

    @property
    def text(self) -> str:
        """As ``format_type`` prints it."""
        return _format(self) + ("[]" if self.array else "")

    def __str__(self) -> str:
        return self.text


@cache
def _exact_arrow(of: PgType) -> pa.DataType | None:
    if of.array:
        return None
    if of.oid == _NUMERIC:
        shape = of.precision_and_scale
        if shape is None or shape[0] > MAX_DECIMAL_PRECISION or not 0 <= shape[1] <= shape[0]:
            return None
        return pa.decimal128(*shape)
    return _BY_NAME[of.name].arrow


def _format(of: PgType) -> str:
    if of.typmod == NO_TYPMOD:
        return "bpchar" if of.element_oid == _BPCHAR else of.name
    oid = of.element_oid
    shape = of.precision_and_scale
    if shape is not None:
        return f"numeric({shape[0]},{shape[1]})"
    if oid in _TIMES:
        first, _, rest = of.name.partition(" ")
        return f"{first}({of.typmod}) {rest}"
    if oid == _INTERVAL:
        return f"interval({of.typmod & 0xFFFF})"
    return f"{of.name}({of.typmod - (_VARLENA_HEADER if oid in _LENGTHS else 0)})"


@lru_cache(maxsize=4096)
def pg_type(text: str) -> PgType:
    """The type that ``text`` names: a ``format_type`` form or a common alias; DefinitionError names an unknown one."""
    given = " ".join(text.strip().lower().split())
    if _FIELDS.match(given):
        return PgType("interval", _INTERVAL)
    match = _FORM.match(given)
    entry = _BY_NAME.get(" ".join(filter(None, (match["name"], match["rest"])))) if match else None
    if match is None or entry is None:
        raise DefinitionError(f'type "{text}" is not supported', hint="Declare the column as text, or cast it at the source.")
    typmod = _typmod(entry, match, text)
    array = match["array"] is not None
    return PgType(entry.name, entry.array_oid if array else entry.oid, typmod, array)


def _typmod(entry: RegisteredType, match: re.Match[str], text: str) -> int:
    first = None if match["first"] is None else int(match["first"])
    second = int(match["second"] or 0)
    if first is None:
        # SQL's character means character(1); bpchar means any length.
        return 1 + _VARLENA_HEADER if entry.oid == _BPCHAR and match["name"] != "bpchar" else NO_TYPMOD
    if match["second"] is not None and entry.oid != _NUMERIC:
        raise DefinitionError(f'type "{text}" takes one number')
    if entry.oid == _NUMERIC and 1 <= first <= 1000 and -1000 <= second <= 1000:
        return ((first << 16) | (second & 0x7FF)) + _VARLENA_HEADER
    if entry.oid in _TIMES and first <= 6:
        return first
    if entry.oid == _INTERVAL and first <= 6:
        return (_ANY_INTERVAL_FIELDS << 16) | first
    if entry.oid in _LENGTHS and 1 <= first <= 10_485_760:
        return first + _VARLENA_HEADER
    if entry.oid in _BITS and first >= 1:
        return first
    raise DefinitionError(f'type "{text}" has a modifier that PostgreSQL does not allow')


def common_text(types: Sequence[PgType]) -> PgType:
    """What texts of these types are beside each other (CASE, set operations): the first one, without its length where others differ, since
    each is turned into each of the others without being told to (PostgreSQL's select_common_type)."""
    first = types[0]
    return first if all(of == first for of in types) else PgType(first.name, first.oid)


def pg_type_by_oid(oid: int, typmod: int = NO_TYPMOD) -> PgType:
    """The type that a RowDescription or Describe names; DefinitionError for an oid outside the registry."""
    found = _BY_OID.get(oid)
    if found is None:
        raise DefinitionError(f"type with oid {oid} is not supported", hint="Cast the expression to text.")
    entry, array = found
    return PgType(entry.name, oid, typmod, array)


def arrow_field(name: str, pg_type_text: str, nullable: bool = True) -> pa.Field[pa.DataType]:
    """The Arrow field of a column, with the PostgreSQL type in its metadata."""
    of = pg_type(pg_type_text)
    return pa.field(name, of.arrow, nullable, {PG_TYPE: of.text.encode()})


def pg_type_of(field: pa.Field[Any]) -> PgType:
    """The PostgreSQL type of a field: its metadata, else what the Arrow type alone says; DefinitionError where that is nothing."""
    told = (field.metadata or {}).get(PG_TYPE)
    if told is not None:
        return pg_type(told.decode())
    if pa.types.is_decimal(field.type):
        return pg_type(f"numeric({field.type.precision},{field.type.scale})")
    for entry in REGISTRY:
        if entry.arrow == field.type and entry.name not in ("name", "character", "character varying"):
            return PgType(entry.name, entry.oid)
    raise DefinitionError(f'column "{field.name}" has Arrow type {field.type}, which no PostgreSQL type is carried by')


def row_bytes(types: Iterable[str]) -> float:
    """Estimated bytes of a row of these types."""
    lengths = (pg_type(of).length for of in types)
    return float(sum(length if length > 0 else TEXT_BYTES for length in lengths))


def schema_of(columns: Iterable[Column]) -> pa.Schema:
    """The Arrow schema of a virtual table's columns."""
    return pa.schema([arrow_field(column.name, column.type, column.nullable) for column in columns])
