"""Tables for people: widths from the first rows, wide Unicode counted, NULL as ``∅``, control characters escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, islice
from typing import TextIO

from azdata_like_cli.text import harmless, pad, width

NULL = "∅"
SAMPLE_ROWS = 1000
"""Rows that a streamed table looks at to choose its widths; later wider cells stick out."""


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
