"""What the server is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from virtualization.connectors.mongodb.rows import Output

Document = dict[str, Any]


@dataclass(frozen=True)
class Culprit:
    """A pipeline over ``collection`` that finds a document whose value does not fit the column ``name`` of type ``declared``."""

    collection: str
    name: str
    declared: str
    stages: tuple[Document, ...]


@dataclass(frozen=True)
class Pipeline:
    """``stages`` over ``collection``, and what the answer becomes. ``culprits``: to be asked when a value did not fit; ``one_row``: the row
    that an aggregate of nothing has; ``joined``: collections that are read besides; ``by_document``: each answer comes from one document
    alone, so that several ranges of documents may be read at once."""

    collection: str
    stages: tuple[Document, ...]
    outputs: tuple[Output, ...]
    culprits: tuple[Culprit, ...] = ()
    one_row: Document | None = None
    joined: tuple[str, ...] = ()
    by_document: bool = False
