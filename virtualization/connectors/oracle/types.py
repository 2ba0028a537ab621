"""Oracle's types and PostgreSQL's: what a column is detected as, and what a declared column is in Oracle's SQL.

A column that is declared with another type than its own gets a conversion, in every place where it is used: the value that a filter sees
there is the one that is read here. A conversion that the two sides might do differently marks the value, and it is not compared there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from virtualization.connectors.oracle.names import quoted
from virtualization.connectors.oracle.values import INTEGERS, MOST_DIGITS, Value
from virtualization.errors import DefinitionError
from virtualization.types import PgType, pg_type

_TIMESTAMP = re.compile(r"^TIMESTAMP\((\d)\)( WITH (LOCAL )?TIME ZONE)?$")
_TEXTS = ("VARCHAR2", "NVARCHAR2", "CHAR", "NCHAR")
_LARGE = ("CLOB", "NCLOB", "LONG")
_BYTES = ("RAW", "BLOB", "LONG RAW")
_OWN_COLLATIONS = (None, "", "USING_NLS_COMP", "BINARY", "USING_NLS_SORT")
_INTEGER_DIGITS = (("smallint", 4), ("integer", 9), ("bigint", 18))
_NO_TYPE = "no type of the master carries it; a view at the source can convert it"


@dataclass(frozen=True)
class RemoteColumn:
    """A column as ALL_TAB_COLUMNS has it. ``length``: characters of a text; ``precision`` and ``scale``: None where not said."""

    name: str
    data_type: str
    length: int
    precision: int | None
    scale: int | None
    nullable: bool
    collation: str | None = None

    @property
    def digits(self) -> tuple[int, int] | None:
        """(before, behind) the point that a value has at most; None for a NUMBER or FLOAT without them."""
        if self.data_type != "NUMBER" or (self.precision is None and self.scale is None):
            return None
        precision, scale = self.precision or MOST_DIGITS, self.scale or 0
        return max(precision - scale, 0), max(scale, 0)

    @property
    def timestamp(self) -> tuple[int, str] | None:
        """(digits of the seconds' fraction, ``''``, ``zone`` or ``local``) of a TIMESTAMP."""
        match = _TIMESTAMP.match(self.data_type)
        return (int(match[1]), "local" if match[3] else "zone" if match[2] else "") if match else None

    @property
    def shown(self) -> str:
        """As one writes it."""
        if self.data_type in _TEXTS:
            return f"{self.data_type}({self.length})"
        if self.data_type == "NUMBER" and self.precision is not None:
            return f"NUMBER({self.precision},{self.scale or 0})"
        return self.data_type


def detected(column: RemoteColumn, number_default: str) -> str | None:
    """The PostgreSQL type that holds every value of a column; None: there is none."""
    if column.data_type in ("NUMBER", "FLOAT"):
        return _number(column, number_default)
    if column.timestamp is not None:
        return f"timestamp {'with' if column.timestamp[1] else 'without'} time zone"
    if column.data_type in ("CHAR", "NCHAR"):
        return f"character({column.length})"
    known = {"BINARY_DOUBLE": "double precision", "BINARY_FLOAT": "real", "DATE": "timestamp without time zone", "BOOLEAN": "boolean"}
    known |= dict.fromkeys((*_TEXTS, *_LARGE, "ROWID", "UROWID"), "text") | dict.fromkeys(_BYTES, "bytea")
    return known.get(column.data_type)


def _number(column: RemoteColumn, number_default: str) -> str:
    digits = column.digits
    if digits is None or sum(digits) > MOST_DIGITS:
        return number_default
    whole, scale = digits
    if scale == 0:
        return next((of for of, most in _INTEGER_DIGITS if whole <= most), f"numeric({whole},0)")
    return f"numeric({whole + scale},{scale})"


def why_not(column: RemoteColumn) -> tuple[str, str, str]:
    """For ``Detected.unmapped``."""
    return column.name, column.shown, _NO_TYPE


def column_value(alias: str, declared: str, column: RemoteColumn, utf8: bool) -> Value:
    """A declared column of the table that the statement calls ``alias``; DefinitionError where it can't be of that type."""
    of = pg_type(declared)
    text = f"{alias}.{quoted(column.name)}"
    made = None if of.array else _CONVERSIONS.get(of.name, _none)(text, of, column)
    if made is None:
        raise DefinitionError(
            f'column "{column.name}" is {column.shown} at the source and can\'t be read as {of.text}',
            hint="bdc table refresh NAME --columns takes over the source's types; a view at the source can convert it.",
        )
    remote = made.remote
    if made.kind == "text" and not remote:
        national = column.data_type.startswith("N")
        remote = "collated" if column.collation not in _OWN_COLLATIONS else "national" if national or not utf8 else ""
    return made.but(pg=of.text, nullable=column.nullable, remote=remote, column=True)


def _none(text: str, of: PgType, column: RemoteColumn) -> Value | None:
    return None


def _as_integer(text: str, of: PgType, column: RemoteColumn) -> Value | None:
    if column.data_type not in ("NUMBER", "FLOAT"):
        return None
    most = INTEGERS[of.name]
    digits = column.digits
    if digits is None or digits[1]:
        return Value(f"ROUND({text})", of.text, len(str(most)), 0, most)
    return Value(text, of.text, min(digits[0], len(str(most))), 0, min(most, 10 ** digits[0] - 1))


def _as_numeric(text: str, of: PgType, column: RemoteColumn) -> Value | None:
    if column.data_type not in ("NUMBER", "FLOAT"):
        return None
    shape, digits = of.precision_and_scale, column.digits
    if shape is None:
        return Value(text, of.text, digits[0] if digits else None)
    precision, scale = shape
    if precision > MOST_DIGITS or not 0 <= scale <= precision:
        return None
    if digits is None or digits[1] > scale or digits[0] > precision - scale:
        text = f"CAST({text} AS NUMBER({precision},{scale}))"
    return Value(text, of.text, precision - scale, scale)


def _as_double(text: str, of: PgType, column: RemoteColumn) -> Value | None:
    if column.data_type == "BINARY_FLOAT":
        return Value(f"TO_BINARY_DOUBLE({text})", of.text)
    # the driver reads a NUMBER as the nearest double; what the source would make of it is not documented
    remote = {"BINARY_DOUBLE": "", "NUMBER": "converted", "FLOAT": "converted"}.get(column.data_type)
    return None if remote is None else Value(text, of.text, remote=remote)


def _as_real(text: str, of: PgType, column: RemoteColumn) -> Value | None:
    return Value(text, of.text) if column.data_type == "BINARY_FLOAT" else None


def _as_text(text: str, of: PgType, column: RemoteColumn) -> Value | None:
    length = of.typmod - 4 if of.typmod >= 0 else None
    if column.data_type in ("ROWID", "UROWID") and length is None:
        return Value(f"ROWIDTOCHAR({text})", of.text, remote="converted")
    if column.data_type in _LARGE and length is None:
        return Value(text, of.text, remote="lob")
    if column.data_type in ("CHAR", "NCHAR"):
        text = f"RTRIM({text})"  # as PostgreSQL casts character to text; all blanks are NULL then, on both sides
    elif column.data_type not in _TEXTS:
        return None
    return Value(text if length is None or column.length <= length else f"SUBSTR({text}, 1, {length})", of.text)


def _as_character(text: str, of: PgType, column: RemoteColumn) -> Value | None:
    fits = column.data_type in ("CHAR", "NCHAR") and of.typmod - 4 == column.length
    return Value(text, of.text, remote="collated" if column.collation not in _OWN_COLLATIONS else "") if fits else None


def _as_date(text: str, of: PgType, column: RemoteColumn) -> Value | None:
    if column.data_type == "DATE" or (column.timestamp is not None and column.timestamp[1] == ""):
        return Value(f"TRUNC({text})", of.text, remote="date")
    return None


def _as_timestamp(text: str, of: PgType, column: RemoteColumn) -> Value | None:
    if column.data_type == "DATE":
        return Value(text, of.text, remote="date")
    if column.timestamp is None or column.timestamp[1]:
        return None
    wanted = of.typmod if of.typmod >= 0 else 6
    return Value(text if column.timestamp[0] <= wanted else f"CAST({text} AS TIMESTAMP({wanted}))", of.text, remote="timestamp")


def _as_timestamptz(text: str, of: PgType, column: RemoteColumn) -> Value | None:
    zone = column.timestamp[1] if column.timestamp is not None else ""
    if not zone:
        return None
    wanted = of.typmod if of.typmod >= 0 else 6
    utc = f"SYS_EXTRACT_UTC({text})" if zone == "zone" else text  # the session's time zone is UTC
    return Value(f"CAST({utc} AS TIMESTAMP({wanted}))", of.text, remote="timestamp")


def _as_boolean(text: str, of: PgType, column: RemoteColumn) -> Value | None:
    if column.data_type == "BOOLEAN":
        return Value(f"CASE WHEN {text} = TRUE THEN 1 WHEN {text} = FALSE THEN 0 END", of.text, condition=f"({text} = TRUE)")
    if column.data_type != "NUMBER":
        return None
    return Value(f"CASE WHEN {text} <> 0 THEN 1 WHEN {text} = 0 THEN 0 END", of.text, condition=f"({text} <> 0)")


def _as_bytes(text: str, of: PgType, column: RemoteColumn) -> Value | None:
    return Value(text, of.text, remote="lob") if column.data_type in _BYTES else None


_CONVERSIONS = {
    "smallint": _as_integer, "integer": _as_integer, "bigint": _as_integer, "numeric": _as_numeric, "double precision": _as_double,
    "real": _as_real, "text": _as_text, "character varying": _as_text, "character": _as_character, "date": _as_date,
    "timestamp without time zone": _as_timestamp, "timestamp with time zone": _as_timestamptz, "boolean": _as_boolean,
    "bytea": _as_bytes,
}  # fmt: skip
