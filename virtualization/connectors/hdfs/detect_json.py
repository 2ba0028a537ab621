"""Columns of JSON lines by a bounded sample: the keys of the objects, in the order in which they are met.

A key gets a type when all its values in the sample have it: whole numbers ``bigint``, others ``double precision`` (which is what JSON's
numbers are for most who write them: declare ``numeric(12,2)`` where they are money), booleans, dates and timestamps by the form of their
strings; objects and arrays ``jsonb``; else ``text``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from virtualization.catalog import Column
from virtualization.connectors.hdfs.client import Client, RemoteFile
from virtualization.connectors.hdfs.evidence import by_evidence
from virtualization.connectors.hdfs.heads import head
from virtualization.connectors.hdfs.options import FileFormat
from virtualization.errors import DataError
from virtualization.plan import Detected

_SAMPLE_ROWS = 5_000
_LARGEST_BIGINT = 2**63


def detect_json(client: Client, files: Sequence[RemoteFile], shape: FileFormat, kept: Mapping[str, str]) -> Detected:
    """Of the first file; DataError names the line that is no JSON object."""
    file = files[0]
    text = head(client, file, shape)
    lines = [(at, line) for at, line in enumerate(text.splitlines(), 1) if line.strip()]
    values: dict[str, list[Any]] = {}
    for at, line in islice(lines, _SAMPLE_ROWS):
        for name, value in _object(line, file.path, at + shape.first_row - 1).items():
            values.setdefault(name, []).append(value)
    if not values:
        raise DataError(f"file {file.path} holds no JSON object with a key")
    total = sum(one.size for one in files)
    rows = total / (len(text.encode()) / len(lines)) if total > len(text.encode()) else len(lines)
    return Detected(tuple(Column(name, _type(told), True, name) for name, told in values.items()), dict(kept), float(round(rows)))


def _object(line: str, path: str, at: int) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError as error:
        raise DataError(f"file {path}, line {at}: not JSON: {error}", hint="JSON files hold one object a line.") from None
    if not isinstance(found, dict):
        raise DataError(f"file {path}, line {at}: not a JSON object", hint="JSON files hold one object a line.")
    return found


def _type(values: Sequence[Any]) -> str:
    told = [value for value in values if value is not None]
    kinds = {type(value) for value in told}
    if kinds & {dict, list}:
        return "jsonb"
    if kinds == {bool}:
        return "boolean"
    if kinds == {int} and all(-_LARGEST_BIGINT <= value < _LARGEST_BIGINT for value in told):
        return "bigint"
    if kinds and kinds <= {int, float}:
        return "double precision" if float in kinds else "numeric"
    found = by_evidence(told) if kinds == {str} else "text"
    return found if found == "date" or found.startswith("timestamp") else "text"
