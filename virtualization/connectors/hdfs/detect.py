"""Columns and their types from the files themselves: Parquet from its footer, CSV from a bounded sample by evidence.

A CSV column gets a type when every sampled value has that type's plain form; text else. Whole numbers with leading zeros stay
text (they are codes), dates are ISO only, numbers with an exponent become ``double precision``. Numbers with a point become
``numeric(18,s)`` with the largest scale seen where that leaves at least four more digits before the point than any sampled value has,
else ``numeric(38,s)``: engines calculate with 18 digits exactly and fast, and seldom with 38. A value further down that does not fit
is an error that names file, column and value; declare a wider type then.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import islice

from virtualization.catalog import Column
from virtualization.connectors.hdfs.client import LOOK, Client, RemoteFile
from virtualization.connectors.hdfs.layout import csv_rows, head, parquet_layout
from virtualization.connectors.hdfs.options import FileFormat, file_format, format_of_path
from virtualization.connectors.hdfs.scan_sql import partition_values
from virtualization.connectors.hdfs.types import detected_type
from virtualization.errors import RemoteObjectError, SourceError
from virtualization.plan import Detected

_SAMPLE_ROWS = 5_000
_FOOTERS = 20
_NARROW, _WIDE, _SPARE_DIGITS = 18, 38, 4
_EVIDENCE: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("bigint", re.compile(r"-?(0|[1-9]\d{0,17})")),
    ("numeric", re.compile(r"-?(0|[1-9]\d{0,18})(\.\d{1,18})?")),
    ("double precision", re.compile(r"-?(0|[1-9]\d*)(\.\d*)?([eE][+-]?\d{1,3})?")),
    ("boolean", re.compile(r"true|false", re.IGNORECASE)),
    ("date", re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])")),
    (
        "timestamp without time zone",
        re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[ T]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,6})?)?"),
    ),
    (
        "timestamp with time zone",
        re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d{1,6})?)? ?(Z|[+-]\d\d(:?\d\d)?)"),
    ),
)


def detect(client: Client, location: str, options: Mapping[str, str]) -> Detected:
    """Columns, the options that were found out, estimated rows; errors name the path."""
    source = client.settings.source
    files = [file for file in client.files(location) if file.size]
    if not files:
        raise RemoteObjectError(f'data source "{source}": there is no file with content in {location}', hint=LOOK)
    known = [file for file in files if format_of_path(file.path)] or files
    shape = file_format(options, known[0].path, f"location {location}")
    kept = {"format": shape.format} | {name: str(value) for name, value in options.items()}
    detected = _parquet(client, files) if shape.format == "parquet" else _csv(client, files, shape, kept)
    folders = [] if shape.partitions else _folders(files)
    if folders:
        kept["partitions"] = ",".join(folders)
        shape = file_format(kept, known[0].path, f"location {location}")
    values = [partition_values(file, shape) for file in files] if shape.partitions else []
    parts = tuple(Column(name, _by_evidence([row[n] for row in values]), True, name) for n, name in enumerate(shape.partitions))
    return Detected((*detected.columns, *parts), kept, detected.rows, detected.unmapped)


def _folders(files: Sequence[RemoteFile]) -> list[str]:
    """``name=value`` folders that all files share."""
    names = [[part.split("=", 1)[0] for part in file.path.split("/")[:-1] if "=" in part] for file in files]
    return names[0] if names[0] and all(other == names[0] for other in names) else []


def _parquet(client: Client, files: Sequence[RemoteFile]) -> Detected:
    layout = parquet_layout(client, files[0])
    columns, unmapped = [], []
    for name, stored in zip(layout.names, layout.types, strict=True):
        kind = detected_type(stored)
        if kind is None:
            unmapped.append((name, str(stored), "nested and interval values of Parquet files are not read"))
        else:
            columns.append(Column(name, kind, True, name))
    sampled = [layout, *(parquet_layout(client, file) for file in files[1:_FOOTERS])]
    share = sum(file.size for file in files) / max(1, sum(file.size for file in files[:_FOOTERS]))
    return Detected(tuple(columns), rows=float(round(sum(one.rows or 0 for one in sampled) * share)), unmapped=tuple(unmapped))


def _csv(client: Client, files: Sequence[RemoteFile], shape: FileFormat, kept: dict[str, str]) -> Detected:
    file = files[0]
    text = head(client, file, shape)
    rows = list(islice(csv_rows(text, shape, file.path), _SAMPLE_ROWS + 1))
    if not rows:
        raise SourceError(f"file {file.path} holds no row", hint="The options first_row and delimiter say how it is read.")
    if any("\0" in value for value in rows[0]):
        raise SourceError(
            f"file {file.path} is no text file: there are NUL bytes in it", hint="Text in UTF-16 needs the option encoding=utf-16."
        )
    if "header" not in kept:
        kept["header"] = str(_has_header(rows)).lower()
    header = kept["header"].lower() in ("true", "on", "yes", "1")
    width = len(rows[0])
    names = rows[0] if header else [f"column{number + 1}" for number in range(width)]
    body = [row for row in rows[1 if header else 0 :] if len(row) == width]
    columns = tuple(
        Column(
            name or f"column{number + 1}", _by_evidence([_value(row[number], shape) for row in body]), True, name or f"column{number + 1}"
        )
        for number, name in enumerate(names)
    )
    total = sum(one.size for one in files)
    per_row = len(text.encode()) / max(1, text.count("\n"))
    return Detected(columns, rows=float(max(len(body), round(total / per_row))) if total > len(text) else float(len(body)))


def _has_header(rows: Sequence[Sequence[str]]) -> bool:
    """The first line is one unless it looks like data: no empty or doubled name, no number, no date."""
    first = rows[0]
    return len(set(first)) == len(first) and all(name and _by_evidence([name]) == "text" for name in first)


def _value(text: str, shape: FileFormat) -> str | None:
    return None if text in ("", shape.null) else text


def _by_evidence(values: Sequence[str | None]) -> str:
    told = [value for value in values if value is not None]
    if not told:
        return "text"
    for kind, form in _EVIDENCE:
        if all(form.fullmatch(value) for value in told):
            if kind == "numeric":
                return _numeric(told)
            return kind
    return "text"


def _numeric(told: Sequence[str]) -> str:
    scale = max(len(value.partition(".")[2]) for value in told)
    whole = max(len(value.partition(".")[0].lstrip("-")) for value in told)
    return f"numeric({_NARROW if whole + _SPARE_DIGITS + scale <= _NARROW else _WIDE},{scale})"
