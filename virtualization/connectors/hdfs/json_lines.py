"""JSON lines as texts: per line and key what PostgreSQL's ``->>`` gives, to the last digit.

DuckDB reads a number with a fraction or an exponent as a double. Where such a number is seen, its line is read once more with all
numbers written as marked strings, so that ``0.10000000000000000001`` and ``1.50`` stay what they are, also inside nested values.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from virtualization.connectors.hdfs.types import DATA_MARK, literal, quoted

_MARK = f"~{secrets.token_hex(8)}:"
"""Begins a number that was made a string. Not to be guessed, so that no value of a file begins like it."""

_NUMBERS = r'((?:[^"0-9-]|"(?:[^"\\]|\\.)*")*)(-?[0-9][0-9.eE+-]*|$)'
"""All up to a number or the end of the line (strings as wholes), and the number."""

_MARKED, _MARKED_INSIDE, _BARE = rf'\1"{_MARK}\2"', f'"{_MARK}([^"]*)"', r"\1"
_INEXACT = r"^-?[0-9]+[.eE]|^[\[{](.|\n)*[0-9][.eE]"
_INEXACT_INSIDE = "[0-9][.eE]"
_LINE_START = "{"


def json_texts(lines: str, names: Mapping[str, bool], place: str | None) -> str:
    """What stands after FROM: a column of texts for each of ``names`` and ``__f``, from the relation ``lines`` (``__line``, ``__f``).
    A name's value says whether JSON itself is wanted (``->``, with NULL for JSON's null) or what it says as a text (``->>``). Empty
    lines are no rows; a line that is no JSON object fails with its file (``place``, SQL). Without a place it is a row of NULLs whose
    ``__wrong`` tells it (else that is NULL), and ``__record`` of ``lines`` is handed on."""
    paths = [_pointer(name) for name in names]
    values = [_json(path) if wanted else f"__v[{at}]" for at, (path, wanted) in enumerate(zip(paths, names.values(), strict=True), 1)]
    items = [
        f"{_exact(value, path, wanted)} AS {quoted(name)}" for value, path, (name, wanted) in zip(values, paths, names.items(), strict=True)
    ]
    asked = ", ".join(map(literal, paths)) or "'/'"
    fine = is_object("__line")
    said = "NULL"
    if place is not None:
        said = f"error({literal(DATA_MARK + 'line in ')} || {place} || {literal(' is no JSON object: ')} || left(__line, 100))"
    parsed = f"CASE WHEN {fine} THEN json_extract_string(__line, [{asked}]) ELSE {said} END AS __v"
    rows = f"SELECT *, {parsed} FROM {lines} WHERE trim(__line) <> ''"
    if place is not None:
        return f"(SELECT {', '.join(['__f', *items])} FROM ({rows}))"
    return f"(SELECT {', '.join(['__f', '__record', 'CASE WHEN __v IS NULL THEN __line END AS __wrong', *items])} FROM ({rows}))"


def is_object(line: str) -> str:
    """DuckDB SQL: is this text a JSON object?"""
    return f"(starts_with(ltrim({line}), {literal(_LINE_START)}) AND json_valid({line}))"


def _pointer(name: str) -> str:
    return "/" + name.replace("~", "~0").replace("/", "~1")


def _json(path: str, line: str = "__line") -> str:
    return f"CASE WHEN __v IS NOT NULL THEN nullif(CAST(json_extract({line}, {literal(path)}) AS VARCHAR), 'null') END"


def _exact(value: str, path: str, is_json: bool) -> str:
    end = len(_MARK) + 2  # the end of the line is marked too
    marked = f"left(regexp_replace(__line, {literal(_NUMBERS)}, {literal(_MARKED)}, 'g'), -{end})"
    again = _json(path, marked) if is_json else f"json_extract_string({marked}, {literal(path)})"
    inside = f"regexp_replace({again}, {literal(_MARKED_INSIDE)}, {literal(_BARE)}, 'g')"
    inexact = f"regexp_matches({value}, {literal(_INEXACT_INSIDE if is_json else _INEXACT)})"
    return f"CASE WHEN {inexact} THEN replace({inside}, {literal(_MARK)}, '') ELSE {value} END"
