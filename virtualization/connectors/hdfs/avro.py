"""Avro files as Arrow batches, decoded by fastavro (the extra ``avro``): records of a block at a time, in C.

A union of null and one other type is that type, nullable. Other unions, and recursive records, have no one type: such columns are
left out when a table is detected.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import pyarrow as pa

from virtualization.errors import DefinitionError

_BATCH_ROWS = 10_000
_PLAIN: dict[str, pa.DataType] = {
    "boolean": pa.bool_(), "int": pa.int32(), "long": pa.int64(), "float": pa.float32(), "double": pa.float64(),
    "string": pa.string(), "bytes": pa.binary(), "enum": pa.string(), "fixed": pa.binary(),
}  # fmt: skip
_LOGICAL: dict[str, pa.DataType] = {
    "date": pa.date32(), "time-millis": pa.time32("ms"), "time-micros": pa.time64("us"), "uuid": pa.string(),
    "timestamp-millis": pa.timestamp("ms", "UTC"), "timestamp-micros": pa.timestamp("us", "UTC"),
    "local-timestamp-millis": pa.timestamp("ms"), "local-timestamp-micros": pa.timestamp("us"),
}  # fmt: skip


def _fastavro() -> Any:  # noqa: ANN401
    try:
        import fastavro
    except ImportError:
        raise DefinitionError("Avro files need the package fastavro", hint="Install: pip install 'openbdc-cluster[avro]'") from None
    # the text, not a UUID object: what fastavro documents as the way to do so
    fastavro.read.LOGICAL_READERS["string-uuid"] = lambda text, *_: text
    return fastavro


def schema(file: Any) -> pa.Schema:  # noqa: ANN401 a RangeFile
    """The columns that have one type. A column without has Arrow's type ``null``."""
    return _fields(_fastavro().reader(file).writer_schema)


def batches(file: Any, columns: pa.Schema) -> Iterator[pa.RecordBatch]:  # noqa: ANN401
    """``columns`` of all rows. Only these are decoded into values."""
    library = _fastavro()
    written = library.reader(file).writer_schema
    asked = dict(written) | {"fields": [field for field in written["fields"] if field["name"] in columns.names]}
    file.seek(0)
    records = library.reader(file, reader_schema=asked if _plain_names(written) else None)
    shape = pa.struct(list(columns))
    while rows := list(islice(records, _BATCH_ROWS)):
        made: Any = pa.array(rows, shape)
        yield pa.RecordBatch.from_struct_array(made)


def _plain_names(node: Any) -> bool:  # noqa: ANN401
    """May fields be left out? Not where a named type may be used again after the field that declares it."""
    if isinstance(node, list):
        return all(_plain_names(part) for part in node)
    if isinstance(node, dict):
        fields = node.get("fields", ())
        return all(_plain_names(part) for part in (node.get("type"), node.get("items"), node.get("values"), *(f["type"] for f in fields)))
    return node is None or node in _PLAIN or node in ("null", "record", "array", "map", "error")


def _fields(node: Mapping[str, Any]) -> pa.Schema:
    if node.get("type") != "record":
        raise ValueError("it does not hold records")
    named: dict[str, Any] = {}
    return pa.schema([pa.field(field["name"], _arrow(field["type"], named) or pa.null()) for field in node["fields"]])


def _arrow(node: Any, named: dict[str, Any]) -> pa.DataType | None:  # noqa: ANN401
    """The Arrow type; None where there is not one."""
    if isinstance(node, list):
        others = [part for part in node if part != "null"]
        return _arrow(others[0], named) if len(others) == 1 else None
    if isinstance(node, str):
        return _PLAIN.get(node) or named.get(node)
    kind, logical = node["type"], node.get("logicalType")
    if isinstance(kind, (dict, list)):
        return _arrow(kind, named)
    found: pa.DataType | None
    if logical == "decimal":
        found = pa.decimal128(node["precision"], node.get("scale", 0)) if node["precision"] <= 38 else None
    else:
        found = _LOGICAL.get(logical or "") or _PLAIN.get(kind) or _nested(node, named)
    if "name" in node:
        named[node["name"]] = found
        if node.get("namespace"):
            named[f"{node['namespace']}.{node['name']}"] = found
    return found


def _nested(node: Mapping[str, Any], named: dict[str, Any]) -> pa.DataType | None:
    if node["type"] in ("array", "map"):
        inner = _arrow(node.get("items") or node["values"], named)
        if inner is None:
            return None
        return pa.list_(inner) if node["type"] == "array" else pa.map_(pa.string(), inner)
    fields = [(field["name"], _arrow(field["type"], named)) for field in node["fields"]]
    known = [(name, inner) for name, inner in fields if inner is not None]
    return pa.struct(known) if len(known) == len(fields) else None
