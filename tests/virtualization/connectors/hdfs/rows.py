"""Reading a table of a lake."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlglot import parse_one

from tests.virtualization.connectors.conformance import read
from tests.virtualization.connectors.hdfs.local import Lake
from virtualization.catalog import Column, VirtualTable
from virtualization.connectors.hdfs.fragments import FilesFragment


def table(location: str, columns: str, **options: str) -> VirtualTable:
    """``columns``: name and type each, parted by semicolons."""
    parts = [part.strip().partition(" ") for part in columns.split(";")]
    return VirtualTable("public", "t", "src", location, tuple(Column(name, of) for name, _, of in parts), options)


def fragment(lake: Lake, of: VirtualTable, *predicates: str, columns: Sequence[str] = ()) -> FilesFragment:
    made = [parse_one(text, dialect="postgres") for text in predicates]
    scanned = lake.connector.scan(of, columns or [c.name for c in of.columns], made)
    assert scanned.left == ()
    assert isinstance(scanned.fragment, FilesFragment)
    return scanned.fragment


def rows(lake: Lake, of: VirtualTable, *predicates: str, columns: Sequence[str] = ()) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in read(fragment(lake, of, *predicates, columns=columns)).to_pylist()]


def detected(lake: Lake, location: str, **options: str) -> VirtualTable:
    found = lake.connector.detect(location, options)
    return VirtualTable("public", "t", "src", location, found.columns, dict(found.options), found.rows)
