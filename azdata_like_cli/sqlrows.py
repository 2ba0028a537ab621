"""SQL results in every form, written row by row as they arrive, so that their size does not matter.

Several results (``Several.listed``): a list with one element each in JSON and YAML, an empty line between them in tables and TSV.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import TextIO

from azdata_like_cli.answers import Several, SqlRows
from azdata_like_cli.documents import escaped, json_text, tsv_cell, yaml_text
from azdata_like_cli.tables import write_table

_JSON_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?\Z")


def write_several(results: Several, form: str, to: TextIO) -> None:
    """One result, or the list of them."""
    if results.listed and form in ("json", "yaml"):
        _LISTS[form](results.answers, to)
        return
    written = 0
    for result in results.answers:
        if written:
            to.write("\n")
        write_rows(result, form, to)
        to.flush()
        written += 1
    if not written and form in ("json", "yaml"):  # a statement without rows: still a document that programs can read
        to.write("[]\n")


def write_rows(result: SqlRows, form: str, to: TextIO) -> None:
    """One result as ``table``, ``json``, ``yaml`` or ``tsv``."""
    _FORMS[form](result, to)


def objects(result: SqlRows) -> list[dict[str, object]]:
    """All rows as Python data, for JMESPath."""
    names = _distinct(result.names)
    return [dict(zip(names, map(value, row, result.kinds), strict=True)) for row in result.rows]


def _table(result: SqlRows, to: TextIO) -> None:
    count = write_table(result.names, [kind == "number" for kind in result.kinds], result.rows, to)
    to.write(f"({count} row{'' if count == 1 else 's'})\n")


def _tsv(result: SqlRows, to: TextIO) -> None:
    to.write("\t".join(tsv_cell(name) for name in result.names) + "\n")
    for row in result.rows:
        to.write("\t".join(map(tsv_cell, row)) + "\n")


def _json(result: SqlRows, to: TextIO) -> None:
    _json_array(result, to, "")
    to.write("\n")


def _json_array(result: SqlRows, to: TextIO, indent: str) -> None:
    names = [json_text(name) for name in _distinct(result.names)]
    to.write(indent + "[")
    between = "\n"
    for row in result.rows:
        fields = (f"{name}: {_json_cell(cell, kind)}" for name, cell, kind in zip(names, row, result.kinds, strict=True))
        to.write(between + indent + "  {" + ", ".join(fields) + "}")
        between = ",\n"
    to.write("]" if between == "\n" else f"\n{indent}]")


def _json_list(results: Iterable[SqlRows], to: TextIO) -> None:
    to.write("[")
    between = "\n"
    for result in results:
        to.write(between)
        _json_array(result, to, "  ")
        between = ",\n"
    to.write("]\n" if between == "\n" else "\n]\n")


def _yaml(result: SqlRows, to: TextIO) -> None:
    _yaml_items(result, to.write, "[]\n")


def _yaml_items(result: SqlRows, write: Callable[[str], object], nothing: str) -> None:
    names, empty = _distinct(result.names), True
    for row in result.rows:
        write(yaml_text([dict(zip(names, map(value, row, result.kinds), strict=True))]))
        empty = False
    if empty:
        write(nothing)


def _yaml_list(results: Iterable[SqlRows], to: TextIO) -> None:
    empty = True
    for result in results:
        to.write("-\n")
        _yaml_items(result, lambda text: to.write("".join(f"  {line}\n" for line in text.splitlines())), "[]\n")
        empty = False
    if empty:
        to.write("[]\n")


_FORMS: dict[str, Callable[[SqlRows, TextIO], None]] = {"table": _table, "tsv": _tsv, "json": _json, "yaml": _yaml}
_LISTS: dict[str, Callable[[Iterable[SqlRows], TextIO], None]] = {"json": _json_list, "yaml": _yaml_list}


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
        return escaped(cell)
    return json_text(cell)


def value(cell: str | None, kind: str) -> object:
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
