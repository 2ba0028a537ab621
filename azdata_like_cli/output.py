"""The one module that prints. Commands return data; this turns it into a table, JSON, YAML or TSV.

Results go to standard output, everything else (messages, progress, errors) to standard error. In a table NULL is shown as ``∅``, in JSON
and YAML as null, in TSV as ``\\N`` (as PostgreSQL's COPY writes it). Data can't drive the terminal: control characters are escaped.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import TextIO

from azdata_like_cli.text import harmless, pad, width
from bdc.errors import BdcError, UserError

NULL = "∅"
SAMPLE_ROWS = 1000
"""Rows that a streamed table looks at to choose its widths; later wider cells stick out."""

_JSON_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?\Z")
# what JSON may hold but a terminal must not see: DEL and C1, and the signs that turn direction
_UNSAFE_IN_JSON = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


@dataclass(frozen=True)
class Answer:
    """Base of what commands return when plain data does not say enough. ``exit_code``: what the command ends with."""

    exit_code: int = 0


@dataclass(frozen=True)
class Value(Answer):
    """Data, with a sentence for table mode where that reads better."""

    data: object = None
    sentence: str | None = None


@dataclass(frozen=True)
class Records(Answer):
    """A list of objects; a table shows ``columns`` (key → title) only."""

    rows: Sequence[Mapping[str, object]] = ()
    columns: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Report(Answer):
    """Data for programs, and blocks (title, records) for people."""

    data: object = None
    blocks: Sequence[tuple[str, Records]] = ()


@dataclass(frozen=True)
class Lines(Answer):
    """Text line by line, written as it comes: plans, logs. JSON: a list; with ``endless`` one JSON string per line."""

    lines: Iterable[str] = ()
    endless: bool = False


@dataclass(frozen=True)
class Bytes(Answer):
    """A file's content, passed on as it is."""

    blocks: Iterable[bytes] = ()


@dataclass(frozen=True)
class SqlRows(Answer):
    """A streamed SQL result: ``kinds`` per column (``number``, ``bool``, ``json``, ``text``), cells as PostgreSQL wrote them."""

    names: Sequence[str] = ()
    kinds: Sequence[str] = ()
    rows: Iterable[Sequence[str | None]] = ()


@dataclass(frozen=True)
class Several(Answer):
    """Several answers, one after the other, each written before the next is asked for."""

    answers: Iterable[Answer] = ()


def message(text: str) -> None:
    """One line on standard error."""
    sys.stderr.write(harmless(text, keep="\n") + "\n")
    sys.stderr.flush()


def error(failure: BdcError) -> None:
    """What, where, why, next; on standard error."""
    message(f"bdc: error: {failure.message}")
    for label, text in (("where", failure.where), ("why", failure.why), ("next", failure.hint), ("request", failure.request_id)):
        if text:
            message(f"  {label + ':':<8} {text}")


def write(result: object, form: str, query: str | None = None) -> None:
    """Write what a command returned to standard output. UserError for a JMESPath expression that can't be read."""
    if result is None:
        return
    if query is not None:
        _write_plain(_picked(_plain(result), query), form, sys.stdout)
    elif isinstance(result, Several):
        for answer in result.answers:
            write(answer, form)
    elif isinstance(result, Bytes):
        sys.stdout.flush()
        for block in result.blocks:
            sys.stdout.buffer.write(block)
        sys.stdout.buffer.flush()
    elif isinstance(result, SqlRows):
        _SQL_WRITERS[form](result, sys.stdout)
    elif isinstance(result, Lines) and (form == "table" or result.endless):
        _write_lines(result, form, sys.stdout)
    elif form == "table" and isinstance(result, Answer):
        _write_view(result, sys.stdout)
    else:
        _write_plain(_plain(result), form, sys.stdout)
    sys.stdout.flush()


def _plain(result: object) -> object:
    """The result as JSON-like data."""
    if isinstance(result, Value | Report):
        return result.data
    if isinstance(result, Records):
        return list(result.rows)
    if isinstance(result, Lines):
        return list(result.lines)
    if isinstance(result, SqlRows):
        return [dict(zip(result.names, map(_value, row, result.kinds), strict=True)) for row in result.rows]
    if isinstance(result, Several):
        found = [_plain(answer) for answer in result.answers]
        return found[0] if len(found) == 1 else found
    if isinstance(result, Bytes):
        raise UserError("--query picks from structured results, and this is a file's content")
    return result


def _picked(data: object, query: str) -> object:
    import jmespath
    from jmespath.exceptions import JMESPathError

    try:
        return jmespath.search(query, data)
    except JMESPathError as failure:
        raise UserError(f"the JMESPath expression {query!r} can't be used", why=str(failure), hint="see https://jmespath.org") from failure


def _write_plain(data: object, form: str, to: TextIO) -> None:
    if form == "json":
        to.write(_json(data, indent=2) + "\n")
    elif form == "yaml":
        to.write(_yaml(data))
    elif form == "tsv":
        rows = _records(data)
        for row in rows or []:
            to.write("\t".join(_tsv(_cell(value)) for value in row.values()) + "\n")
        if rows is None and data is not None:
            to.write(_tsv(_cell(data)) + "\n")
    else:
        _write_view(data, to)


def _json(data: object, indent: int | None = None) -> str:
    text = json.dumps(data, indent=indent, ensure_ascii=False, default=str)
    return _UNSAFE_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _yaml(data: object) -> str:
    import yaml

    text: str = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=140)
    if _UNSAFE_IN_JSON.search(text):  # then with everything beyond ASCII as escapes
        text = yaml.safe_dump(data, sort_keys=False, allow_unicode=False, width=140)
    return text


def _write_view(data: object, to: TextIO) -> None:
    """Table mode."""
    if isinstance(data, Value) and data.sentence is not None:
        to.write(harmless(data.sentence, keep="\n") + "\n")
    elif isinstance(data, Report):
        for number, (title, records) in enumerate(data.blocks):
            to.write(("\n" if number else "") + (harmless(title, keep="\n") + "\n\n" if title else ""))
            _write_view(records, to)
    elif isinstance(data, Records):
        shown = data.columns or {key: key for row in data.rows[:1] for key in row}
        cells = ([_shortened(row.get(key)) for key in shown] for row in data.rows)
        right = [_is_numeric([row.get(key) for row in data.rows]) for key in shown]
        write_table(list(shown.values()), right, cells, to)
    else:
        _write_data(_plain(data), to)


def _write_data(data: object, to: TextIO) -> None:
    rows = _records(data)
    if rows is not None:
        keys = dict.fromkeys(key for row in rows for key in row)
        write_table(list(keys), [False] * len(keys), ([_cell(row.get(key)) for key in keys] for row in rows), to)
    elif isinstance(data, list):
        for item in data:
            to.write(harmless(_cell(item) or NULL) + "\n")
    elif data is not None:
        to.write(harmless(_cell(data) or "") + "\n")


def _records(data: object) -> list[dict[str, object]] | None:
    """Data as rows of a table: an object is one row per field."""
    if isinstance(data, dict):
        return [{"Name": str(key), "Value": value} for key, value in data.items()]
    if isinstance(data, list) and data and all(isinstance(item, dict) for item in data):
        return data
    return None


def _is_numeric(values: Sequence[object]) -> bool:
    """Whether a column is aligned to the right: numbers, and at least one."""
    known = [value for value in values if value is not None]
    return bool(known) and all(isinstance(value, int | float) and not isinstance(value, bool) for value in known)


def _shortened(value: object) -> str | None:
    """A cell for people: three decimals are enough for durations and estimates."""
    return f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else _cell(value)


def _cell(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return _json(value)


def write_table(titles: Sequence[str], right: Sequence[bool], rows: Iterable[Sequence[str | None]], to: TextIO) -> int:
    """A table with its widths from the first rows; later ones are written as they come. Returns the number of rows."""
    incoming = iter(rows)
    sample = [_shown(row) for row in islice(incoming, SAMPLE_ROWS)]
    heads = [harmless(title) for title in titles]
    widths = [max([width(head), *(width(row[place]) for row in sample)]) for place, head in enumerate(heads)]
    to.write(_line(heads, widths, right))
    to.write(_line(["-" * size for size in widths], widths, right))
    count = 0
    for row in chain(sample, map(_shown, incoming)):
        to.write(_line(row, widths, right))
        count += 1
    return count


def _shown(row: Sequence[str | None]) -> list[str]:
    return [NULL if cell is None else harmless(cell) for cell in row]


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = [pad(cell, size, right=to_right) for cell, size, to_right in zip(cells, widths, right, strict=True)]
    return "  ".join(padded).rstrip() + "\n"


def _tsv(cell: str | None) -> str:
    return "\\N" if cell is None else harmless(cell.replace("\\", "\\\\"))


def _write_lines(result: Lines, form: str, to: TextIO) -> None:
    for line in result.lines:
        to.write((_json(line) if form == "json" else harmless(line, keep="\t")) + "\n")
        if result.endless:
            to.flush()


def _sql_table(result: SqlRows, to: TextIO) -> None:
    count = write_table(result.names, [kind == "number" for kind in result.kinds], result.rows, to)
    to.write(f"({count} row{'' if count == 1 else 's'})\n")


def _sql_tsv(result: SqlRows, to: TextIO) -> None:
    to.write("\t".join(_tsv(name) for name in result.names) + "\n")
    for row in result.rows:
        to.write("\t".join(map(_tsv, row)) + "\n")


def _sql_json(result: SqlRows, to: TextIO) -> None:
    names = [_json(name) for name in _distinct(result.names)]
    to.write("[")
    between = "\n"
    for row in result.rows:
        fields = (f"{name}: {_json_cell(cell, kind)}" for name, cell, kind in zip(names, row, result.kinds, strict=True))
        to.write(between + "  {" + ", ".join(fields) + "}")
        between = ",\n"
    to.write("\n]\n" if between != "\n" else "]\n")


def _sql_yaml(result: SqlRows, to: TextIO) -> None:
    names, empty = _distinct(result.names), True
    for row in result.rows:
        fields = dict(zip(names, map(_value, row, result.kinds), strict=True))
        to.write(_yaml([fields]))
        empty = False
    if empty:
        to.write("[]\n")


_SQL_WRITERS = {"table": _sql_table, "tsv": _sql_tsv, "json": _sql_json, "yaml": _sql_yaml}


def _distinct(names: Sequence[str]) -> list[str]:
    """Column names as keys: a second ``a`` becomes ``a_2``, so that no column is lost."""
    seen: dict[str, int] = {}
    found = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return found


def _json_cell(cell: str | None, kind: str) -> str:
    """A cell as JSON; numbers digit by digit as PostgreSQL wrote them, so nothing is rounded."""
    if cell is None:
        return "null"
    if kind == "number" and _JSON_NUMBER.match(cell):
        return cell
    if kind == "bool":
        return "true" if cell == "t" else "false"
    if kind == "json":
        return _UNSAFE_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", cell)
    return _json(cell)


def _value(cell: str | None, kind: str) -> object:
    """A cell as Python data for JMESPath and YAML. A number that a float can't hold exactly stays text."""
    if cell is None or kind == "text":
        return cell
    if kind == "bool":
        return cell == "t"
    if kind == "json":
        return json.loads(cell)
    if re.fullmatch(r"-?\d+", cell):
        return int(cell)
    number = float(cell) if _JSON_NUMBER.match(cell) else None
    return number if number is not None and repr(number) == cell else cell
