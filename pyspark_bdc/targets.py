"""From a DataFrame's schema to a table's, and whether the two fit.

Spark's names are matched as Spark does it: exactly, else without regard to case where that is unambiguous.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pyspark_bdc.errors import OptionError

# Spark's simpleString → PostgreSQL's type
_CREATED = {
    "boolean": "boolean",
    "tinyint": "smallint",
    "smallint": "smallint",
    "int": "integer",
    "bigint": "bigint",
    "float": "real",
    "double": "double precision",
    "string": "text",
    "binary": "bytea",
    "date": "date",
    "timestamp": "timestamp with time zone",
    "timestamp_ntz": "timestamp without time zone",
}
_WITH_SIZE = re.compile(r"(decimal|varchar|char)\((\d+)(?:,\s*(\d+))?\)")
_ARRAY = re.compile(r"array<(.+)>")
_SIZES = {"decimal": "numeric({0},{1})", "varchar": "character varying({0})", "char": "character({0})"}

_NUMBERS = frozenset({"smallint", "integer", "bigint", "real", "double precision", "numeric"})
_TEXTUAL = frozenset(
    {"text", "character varying", "character", "name", "uuid", "json", "jsonb", "xml", "inet", "cidr", "interval", "time", "bit"}
)
_ACCEPTS = {
    "boolean": frozenset({"boolean"}),
    "tinyint": _NUMBERS,
    "smallint": _NUMBERS,
    "int": _NUMBERS,
    "bigint": _NUMBERS,
    "float": frozenset({"real", "double precision"}),
    "double": frozenset({"double precision", "real"}),
    "decimal": frozenset({"numeric", "smallint", "integer", "bigint"}),
    "binary": frozenset({"bytea"}),
    "date": frozenset({"date"}),
    "timestamp": frozenset({"timestamp with time zone"}),
    "timestamp_ntz": frozenset({"timestamp without time zone"}),
}


@dataclass(frozen=True)
class Field:
    """One column of the DataFrame; ``spark`` is its ``simpleString``."""

    name: str
    spark: str
    nullable: bool = True


def created_type(field: Field) -> str:
    """The PostgreSQL type of a new table's column. OptionError names the column and what to do."""
    if field.spark in _CREATED:
        return _CREATED[field.spark]
    if sized := _WITH_SIZE.fullmatch(field.spark):
        return _SIZES[sized[1]].format(sized[2], sized[3] or 0)
    inner = _ARRAY.fullmatch(field.spark)
    if inner and not inner[1].startswith(("array<", "struct<", "map<")):
        return created_type(Field(field.name, inner[1])) + "[]"
    raise OptionError(f"column {field.name!r}: {field.spark} has no column type in the cluster", "write to_json(column) into a text column")


def created_columns(fields: Sequence[Field], required: frozenset[str]) -> list[dict[str, object]]:
    """For ``begin``'s ``create``. Everything may be NULL but the ``required`` (key) columns: Spark's nullability is only a guess."""
    return [{"name": field.name, "type": created_type(field), "nullable": field.name not in required} for field in fields]


def matched(fields: Sequence[Field], columns: Sequence[tuple[str, str]], *, checked: bool) -> list[str]:
    """For each field the table's column name. ``checked``: also that each type fits. OptionError names column and both types."""
    exact = {name for name, _ in columns}
    types = dict(columns)
    names = [_match(field.name, exact, types) for field in fields]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise OptionError(f"the DataFrame has more than one column for {', '.join(map(repr, twice))}")
    if checked:
        for field, name in zip(fields, names, strict=True):
            _check(field, name, types[name])
    return names


def _match(name: str, exact: set[str], types: dict[str, str]) -> str:
    if name in exact:
        return name
    alike = [known for known in types if known.lower() == name.lower()]
    if len(alike) == 1:
        return alike[0]
    raise OptionError(f"the table has no column {name!r}", f"it has {', '.join(types)}")


def _check(field: Field, name: str, target: str) -> None:
    base = re.sub(r"\(.*?\)", "", target).strip()
    spark = field.spark.split("(")[0]
    if base.endswith("[]"):
        fits = spark.startswith("array<") or spark == "string"
    elif spark in ("string", "varchar", "char"):
        fits = base in _TEXTUAL or base.startswith(("time ", "interval", "bit"))
    else:
        fits = base in _ACCEPTS.get(spark, frozenset())
    if not fits:
        raise OptionError(
            f"column {name!r}: the DataFrame has {field.spark}, the table {target}",
            "cast it in Spark; schemaCheckEnabled=false leaves the check to the values themselves",
        )
