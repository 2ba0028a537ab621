"""The one module that prints. Commands return data; this turns it into a table, JSON, YAML or TSV.

Results go to standard output, everything else (messages, progress, errors) to standard error. In a table NULL is shown as ``∅``, in JSON
and YAML as null, in TSV as ``\\N`` (as PostgreSQL's COPY writes it). Data can't drive the terminal: control characters are escaped.
"""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator, Sequence
from typing import TextIO

from azdata_like_cli import sqlrows
from azdata_like_cli.answers import Answer, Bytes, Lines, Records, Report, Several, SqlRows, Value
from azdata_like_cli.documents import json_text, tsv_cell, yaml_text
from azdata_like_cli.tables import NULL, write_table
from azdata_like_cli.text import harmless
from bdc.errors import BdcError, UserError


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
        sqlrows.write_several(result, form, sys.stdout)
    elif isinstance(result, Bytes):
        sys.stdout.flush()
        for block in result.blocks:
            sys.stdout.buffer.write(block)
        sys.stdout.buffer.flush()
    elif isinstance(result, SqlRows):
        sqlrows.write_rows(result, form, sys.stdout)
    elif isinstance(result, Lines) and (form == "table" or result.endless):
        _write_lines(result, form, sys.stdout)
    elif form == "table" and isinstance(result, Answer):
        _write_view(result, sys.stdout)
    else:
        _write_plain(_plain(result), form, sys.stdout)
    sys.stdout.flush()


def shown(result: object) -> str:
    """A result as table mode shows it, for what is told beside the result."""
    text = io.StringIO()
    _write_view(result, text)
    return text.getvalue().rstrip("\n")


def _plain(result: object) -> object:
    """The result as JSON-like data."""
    if isinstance(result, Value | Report):
        return result.data
    if isinstance(result, Records):
        return list(result.rows)
    if isinstance(result, Lines):
        if result.endless:
            raise UserError("--query needs a result that ends, and this goes on until Ctrl-C", hint="leave out --follow")
        return list(result.lines)
    if isinstance(result, SqlRows):
        return sqlrows.objects(result)
    if isinstance(result, Several):
        found = [sqlrows.objects(answer) for answer in result.answers]
        return found if result.listed or not found else found[0]
    if isinstance(result, Bytes):
        raise UserError("--query picks from structured results, and this is a file's content")
    return result


def check_query(query: str) -> None:
    """UserError for a JMESPath expression that can't be read: before anything is done, not after."""
    import jmespath

    with _jmespath_errors(query):
        jmespath.compile(query)


def _picked(data: object, query: str) -> object:
    import jmespath

    with _jmespath_errors(query):
        return jmespath.search(query, data)


@contextlib.contextmanager
def _jmespath_errors(query: str) -> Iterator[None]:
    from jmespath.exceptions import JMESPathError

    try:
        yield
    except JMESPathError as failure:
        why = " ".join(str(failure).split())
        raise UserError(f"the JMESPath expression {query!r} can't be used", why=why, hint="see https://jmespath.org") from failure


def _write_plain(data: object, form: str, to: TextIO) -> None:
    if form == "json":
        to.write(json_text(data, indent=2) + "\n")
    elif form == "yaml":
        to.write(yaml_text(data))
    elif form == "tsv":
        rows = _records(data)
        for row in rows or []:
            to.write("\t".join(tsv_cell(_cell(value)) for value in row.values()) + "\n")
        if rows is None and data is not None:
            to.write(tsv_cell(_cell(data)) + "\n")
    else:
        _write_view(data, to)


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
        write_table(list(keys), [False] * len(keys), ([_shortened(row.get(key)) for key in keys] for row in rows), to)
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
    """A cell for people: three decimals are enough for durations and estimates; names with commas."""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else _cell(value)


def _cell(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json_text(value)


def _write_lines(result: Lines, form: str, to: TextIO) -> None:
    for line in result.lines:
        to.write((json_text(line) if form == "json" else harmless(line, keep="\t")) + "\n")
        if result.endless:
            to.flush()
