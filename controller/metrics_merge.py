"""Several services' metrics as one text: each sample gets the name of its workload as a label, families of one name become one.

Texts in, text out: samples are not read into numbers and back, so that what a service says arrives as it said it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

_META = re.compile(r"# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) ?(.*)")
_SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?\s+([-+.0-9][-+.0-9eE]*|NaN|[-+]?Inf)(\s+-?\d+)?", re.S)
_SUFFIXES = ("_bucket", "_sum", "_count")
_OWN = re.compile(r'(?:^|,)\s*workload="')


class Line(NamedTuple):
    """One sample: ``labels`` as they stand between the braces, ``value`` with the time behind it if there is one."""

    name: str
    labels: str
    value: str


def told(text: str) -> Iterator[Line]:
    """The samples of a text; a line that is none of the format's is left out."""
    for line in text.split("\n"):
        found = None if line.startswith("#") else _SAMPLE.fullmatch(line.strip())
        if found is not None:
            yield _line(found)


def _line(found: re.Match[str]) -> Line:
    return Line(found[1], (found[2] or "").strip().rstrip(","), found[3] + (found[4] or ""))


class Families:
    """Families in the order in which they were first seen."""

    def __init__(self) -> None:
        self._told: dict[str, dict[str, str]] = {}
        self._samples: dict[str, list[str]] = {}

    def add(self, text: str, labels: Mapping[str, str] = {}) -> int:
        """Of one service; how many samples there were. A line that is none of the format's is left out."""
        own = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
        grouped: set[str] = set()
        count = 0
        for line in text.split("\n"):
            if line.startswith("#"):
                self._meta(line, grouped)
                continue
            found = _SAMPLE.fullmatch(line.strip())
            if found is None:
                continue
            name, given, value = _line(found)
            inside = given if not own or _OWN.search(given) else ",".join(filter(None, (own, given)))
            self._samples.setdefault(_family(name, grouped), []).append(f"{name}{{{inside}}} {value}" if inside else f"{name} {value}")
            count += 1
        return count

    def _meta(self, line: str, grouped: set[str]) -> None:
        found = _META.fullmatch(line)
        if found is None:
            return
        kind, name, rest = found.groups()
        self._told.setdefault(name, {}).setdefault(kind, rest)
        if kind == "TYPE" and rest.strip() in ("histogram", "summary"):
            grouped.add(name)

    def text(self) -> str:
        """All of them."""
        lines: list[str] = []
        for name in dict.fromkeys((*self._told, *self._samples)):
            lines += [f"# {kind} {name} {rest}" for kind, rest in self._told.get(name, {}).items()]
            lines += self._samples.get(name, ())
        return "\n".join(lines) + "\n"


def _family(name: str, grouped: set[str]) -> str:
    """The family of a sample: histograms and summaries have samples of several names."""
    base = next((name.removesuffix(suffix) for suffix in _SUFFIXES if name.endswith(suffix)), name)
    return base if base in grouped else name


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
