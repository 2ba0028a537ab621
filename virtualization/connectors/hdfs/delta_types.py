"""What the log of a Delta table says of types and values, as PostgreSQL has them."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from virtualization.catalog import Column
from virtualization.connectors.hdfs.delta import Snapshot, physical_name
from virtualization.connectors.hdfs.ranges import Bounds, Range

_TYPES = {
    "string": "text", "long": "bigint", "integer": "integer", "short": "smallint", "byte": "smallint", "float": "real",
    "double": "double precision", "boolean": "boolean", "binary": "bytea", "date": "date", "timestamp": "timestamp with time zone",
    "timestamp_ntz": "timestamp without time zone",
}  # fmt: skip
_ROUNDED = Decimal("1e-15")
_MILLISECOND = datetime.timedelta(milliseconds=1)


def columns(snapshot: Snapshot) -> tuple[tuple[Column, ...], tuple[tuple[str, str, str], ...]]:
    """The table's columns, and those that nothing carries: (name, type, why)."""
    told = [(one, _type(one["type"])) for one in snapshot.fields]
    unmapped = tuple((one["name"], str(one["type"]), "no type of PostgreSQL carries it") for one, of in told if of is None)
    return tuple(Column(one["name"], of, bool(one["nullable"]), physical_name(one)) for one, of in told if of is not None), unmapped


def _type(stored: Any) -> str | None:  # noqa: ANN401 JSON
    if isinstance(stored, Mapping):
        element = _type(stored["elementType"]) if stored["type"] == "array" else None
        return f"{element}[]" if element is not None and element != "jsonb" and not element.endswith("[]") else "jsonb"
    if str(stored).startswith("decimal("):
        return str(stored).replace("decimal", "numeric")
    return _TYPES.get(str(stored))


def rows(snapshot: Snapshot) -> float | None:
    """As the statistics of all files say; None where one has none."""
    counts = [json.loads(text).get("numRecords") for text in snapshot.statistics.values()]
    return float(sum(counts)) if len(counts) == len(snapshot.files) and None not in counts else None


def file_bounds(snapshot: Snapshot, path: str, name: str, asked: Range) -> Bounds | None:
    """What the log tells of the column ``name`` in one file, in the type of ``asked``; None: nothing."""
    text = snapshot.statistics.get(path)
    if text is None:
        return None
    told = json.loads(text, parse_float=Decimal)
    if "numRecords" in told and (told.get("nullCount") or {}).get(name) == told["numRecords"]:
        return Bounds(none=True)
    like = asked.least if asked.least is not None else asked.greatest
    least, greatest = ((told.get(side) or {}).get(name) for side in ("minValues", "maxValues"))
    try:
        return Bounds(_read(least, like, False), _read(greatest, like, True))
    except (ValueError, TypeError, ArithmeticError):
        return None


def _read(value: Any, like: Any, upper: bool) -> Any:  # noqa: ANN401
    if value is None or like is None or type(value) is type(like):
        return value
    if isinstance(like, datetime.datetime):
        # the log cuts to milliseconds
        told = datetime.datetime.fromisoformat(value)
        return None if told.tzinfo else told + (_MILLISECOND if upper else datetime.timedelta(0))
    if isinstance(like, datetime.date):
        return datetime.date.fromisoformat(value)
    if not isinstance(value, (int, Decimal)) or not isinstance(like, (int, Decimal)):
        return None
    # some writers go through doubles
    slack = abs(Decimal(value)) * _ROUNDED
    return Decimal(value) + (slack if upper else -slack)
