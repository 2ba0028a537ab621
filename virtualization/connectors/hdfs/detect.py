"""Columns and their types from the files themselves: typed files tell, CSV from a bounded sample by evidence.

A CSV column gets a type when every sampled value has that type's plain form; text else. Whole numbers with leading zeros stay
text (they are codes), dates are ISO only, numbers with an exponent become ``double precision``. Numbers with a point become
``numeric(18,s)`` with the largest scale seen where that leaves at least four more digits before the point than any sampled value has,
else ``numeric(38,s)``: engines calculate with 18 digits exactly and fast, and seldom with 38. A value further down that does not fit
is an error that names file, column and value; declare a wider type then.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import islice

from virtualization.catalog import Column
from virtualization.connectors.hdfs import delta_types
from virtualization.connectors.hdfs.client import LOOK, Client, RemoteFile
from virtualization.connectors.hdfs.delta import is_table
from virtualization.connectors.hdfs.detect_json import detect_json
from virtualization.connectors.hdfs.evidence import by_evidence
from virtualization.connectors.hdfs.heads import csv_rows, head
from virtualization.connectors.hdfs.options import FileFormat, file_format, format_of_path
from virtualization.connectors.hdfs.partitions import partition_values
from virtualization.connectors.hdfs.rejects import REJECTED_COLUMNS, columns_of
from virtualization.connectors.hdfs.table_files import Reader
from virtualization.connectors.hdfs.types import detected_type
from virtualization.errors import RemoteObjectError, SourceError
from virtualization.plan import Detected

_SAMPLE_ROWS = 5_000
_FOOTERS = 20


def detect(reader: Reader, location: str, options: Mapping[str, str]) -> Detected:
    """Columns, the options that were found out, estimated rows; errors name the path."""
    if "rejected_of" in options:
        return _rejected(reader, location, options)
    kept = {name: str(value) for name, value in options.items()}
    if "format" not in kept and is_table(reader.client, location):
        kept["format"] = "delta"
    if kept.get("format", "").lower() == "delta":
        return _delta(reader, location, kept)
    files = [file for file in reader.client.files(location) if file.size]
    if not files:
        raise RemoteObjectError(f'data source "{reader.client.settings.source}": there is no file with content in {location}', hint=LOOK)
    known = [file for file in files if format_of_path(file.path)] or files
    shape = file_format(kept, known[0].path, f"location {location}")
    kept = {"format": shape.format} | kept
    if shape.format == "csv":
        detected = _csv(reader.client, files, shape, kept)
    elif shape.format == "json":
        detected = detect_json(reader.client, files, shape, kept)
    else:
        detected = _typed(reader, files, shape)
    folders = [] if shape.partitions else _folders(files)
    if folders:
        kept["partitions"] = ",".join(folders)
        shape = file_format(kept, known[0].path, f"location {location}")
    values = [partition_values(file, shape) for file in files] if shape.partitions else []
    parts = tuple(Column(name, by_evidence([row[n] for row in values]), True, name) for n, name in enumerate(shape.partitions))
    return Detected((*detected.columns, *parts), kept, detected.rows, detected.unmapped)


def _rejected(reader: Reader, location: str, options: Mapping[str, str]) -> Detected:
    """Of the list of rejected rows: what it lists is read as ``rejected_of`` says, or as it is detected."""
    said = options["rejected_of"]
    others = {name: value for name, value in options.items() if name != "rejected_of"}
    if said == "detected":
        found = detect(reader, location, others)
        columns = [{"name": one.name, "type": one.type, "remote": one.remote_name} for one in found.columns]
        return Detected(REJECTED_COLUMNS, {**found.options, "rejected_of": json.dumps(columns, ensure_ascii=False)})
    columns_of(said)
    shape = file_format(options, _example(reader, location), f"location {location}")
    return Detected(REJECTED_COLUMNS, {"format": shape.format, **options})


def _example(reader: Reader, location: str) -> str:
    """The path of a file whose extension tells the format, where there is one."""
    files = reader.client.files(location)
    return next((file.path for file in files if format_of_path(file.path)), location)


def _folders(files: Sequence[RemoteFile]) -> list[str]:
    """``name=value`` folders that all files share."""
    names = [[part.split("=", 1)[0] for part in file.path.split("/")[:-1] if "=" in part] for file in files]
    return names[0] if names[0] and all(other == names[0] for other in names) else []


def _delta(reader: Reader, location: str, kept: dict[str, str]) -> Detected:
    shape = file_format(kept, location, f"location {location}")
    snapshot = reader.snapshots.of(location, shape.version)
    columns, unmapped = delta_types.columns(snapshot)
    options = {"format": "delta"} | kept | ({"partitions": ",".join(snapshot.partitions)} if snapshot.partitions else {})
    return Detected(columns, options, delta_types.rows(snapshot), unmapped)


def _typed(reader: Reader, files: Sequence[RemoteFile], shape: FileFormat) -> Detected:
    """The columns of the first files, in the order in which they are met; the types of the first that has them."""
    layouts = reader.layouts.of(files[:_FOOTERS], shape)
    stored = {name: of for layout in reversed(layouts) for name, of in zip(layout.names, layout.types, strict=True)}
    names = list(dict.fromkeys(name for layout in layouts for name in layout.names))
    told = [(name, stored[name], detected_type(stored[name])) for name in names]
    share = sum(file.size for file in files) / max(1, sum(file.size for file in files[:_FOOTERS]))
    counted = None not in [layout.rows for layout in layouts]
    return Detected(
        tuple(Column(name, kind, True, name) for name, _, kind in told if kind is not None),
        rows=float(round(sum(layout.rows or 0 for layout in layouts) * share)) if counted else None,
        unmapped=tuple((name, str(of), "no type of PostgreSQL carries it") for name, of, kind in told if kind is None),
    )


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
            name or f"column{number + 1}", by_evidence([_value(row[number], shape) for row in body]), True, name or f"column{number + 1}"
        )
        for number, name in enumerate(names)
    )
    total = sum(one.size for one in files)
    per_row = len(text.encode()) / max(1, text.count("\n"))
    return Detected(columns, rows=float(max(len(body), round(total / per_row))) if total > len(text) else float(len(body)))


def _has_header(rows: Sequence[Sequence[str]]) -> bool:
    """The first line is one unless it looks like data: no empty or doubled name, no number, no date."""
    first = rows[0]
    return len(set(first)) == len(first) and all(name and by_evidence([name]) == "text" for name in first)


def _value(text: str, shape: FileFormat) -> str | None:
    return None if text in ("", shape.null) else text
