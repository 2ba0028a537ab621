"""Where a value lies in a document: a table's location, and the paths of its columns.

A location is ``collection``, or ``collection[path]`` for the elements of the array at ``path``, one row each; arrays inside arrays add a
bracket: ``orders[items][items.lots]``. A column's remote name is a path from the document's root, ``addr.city``; ``items#`` is the place
of an element in the array ``items``. A name that holds a dot, a backslash or ``#``, or begins with ``$``, is written with backslashes
before these signs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from virtualization.catalog import VirtualTable
from virtualization.errors import DefinitionError

_LOCATION = re.compile(r"^(?P<collection>.+?)(?P<arrays>(?:\[[^\[\]]+\])*)$", re.DOTALL)
_PART = re.compile(r"(?:[^.\\]|\\.)+", re.DOTALL)
_MARKED = re.compile(r"[.\\#$]")
INDEX = "#"
INDEX_FIELD = "__bdc_i"


@dataclass(frozen=True)
class Path:
    """Names from the root down."""

    parts: tuple[str, ...]

    @property
    def is_plain(self) -> bool:
        """Can it be written with dots?"""
        return all(part and "." not in part and not part.startswith("$") and "\0" not in part for part in self.parts)

    @property
    def dotted(self) -> str:
        """For the query language; plain paths only."""
        return ".".join(self.parts)

    @property
    def value(self) -> Any:  # noqa: ANN401 an aggregation expression
        """The expression that reads it."""
        if self.is_plain:
            return f"${self.dotted}"
        made: Any = "$$ROOT"
        for part in self.parts:
            made = {"$getField": {"field": {"$literal": part}, "input": made}}
        return made

    @property
    def text(self) -> str:
        """As a column's remote name."""
        return ".".join(_MARKED.sub(r"\\\g<0>", part) for part in self.parts)


def path(text: str) -> Path:
    """From a column's remote name."""
    parts = [re.sub(r"\\(.)", r"\1", part, flags=re.DOTALL) for part in _PART.findall(text)]
    if not parts or _PART.sub("", text) != "." * (len(parts) - 1):
        raise DefinitionError(f'"{text}" is no path into a document', hint="Write a.b; a dot inside a name as \\.")
    return Path(tuple(parts))


@dataclass(frozen=True)
class Place:
    """A table's documents: those of ``collection``, each array of ``arrays`` taken apart in turn."""

    collection: str
    arrays: tuple[Path, ...] = ()

    @cached_property
    def stages(self) -> list[dict[str, Any]]:
        """Of the pipeline."""
        return [{"$unwind": {"path": array.value, "includeArrayIndex": self.index_field(n)}} for n, array in enumerate(self.arrays)]

    @staticmethod
    def index_field(number: int) -> str:
        """Where ``$unwind`` puts the place of an element."""
        return f"{INDEX_FIELD}{number}"

    def column(self, remote: str) -> tuple[Any, Path | None]:
        """The expression that reads a column, and its path in the stored document where it has a plain one."""
        if remote.endswith(INDEX) and not remote.endswith("\\" + INDEX):
            array = path(remote.removesuffix(INDEX))
            if array not in self.arrays:
                raise DefinitionError(f'"{remote}": the table takes no array "{array.text}" apart')
            return f"${self.index_field(self.arrays.index(array))}", None
        found = path(remote)
        return found.value, found if found.is_plain else None


def place(location: str) -> Place:
    """Of a table's location; DefinitionError for an array whose path can't be taken apart."""
    match = _LOCATION.match(location)
    if match is None or "\0" in location or match["collection"].startswith("system."):
        raise DefinitionError(f'location "{location}" is neither a collection nor collection[array]')
    arrays = tuple(path(text) for text in re.findall(r"\[([^\[\]]+)\]", match["arrays"]))
    for array in arrays:
        if not array.is_plain:
            raise DefinitionError(f'location "{location}": arrays whose path holds dots or $ in a name can\'t be taken apart')
    return Place(match["collection"], arrays)


def place_of(table: VirtualTable) -> Place:
    """Of a virtual table."""
    return place(table.location)
