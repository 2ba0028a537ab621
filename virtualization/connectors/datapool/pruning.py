"""Which shards can hold rows whose distribution columns are equal to constants."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
from sqlglot import exp

from virtualization.buckets import bucket_numbers
from virtualization.catalog import VirtualTable
from virtualization.connectors.datapool.equalities import Equalities
from virtualization.connectors.datapool.faults import ShardError
from virtualization.connectors.datapool.rows import Layout, Rows
from virtualization.connectors.datapool.single_bucket import bucket_of
from virtualization.connectors.datapool.types import constant, family
from virtualization.placement import DataPlacement
from virtualization.types import pg_type

MOST_COMBINATIONS = 1000
"""Of constants of several distribution columns; with more of them all shards are asked."""


def placement_of(table: VirtualTable) -> DataPlacement:
    """Of a table of the data pool. 55000 while there is none: a dump that is being restored brings definitions table by table."""
    if table.data is None:
        raise ShardError(
            "55000",
            f'where the rows of "{table.schema}.{table.name}" lie is not known: its definition is not whole',
            detail="A dump of the database is being restored, or was restored in part.",
            hint="Try again when it is restored.",
        )
    return table.data


def table_rows(alias: str, table: VirtualTable) -> Rows:
    """All rows of a table."""
    data = placement_of(table)
    shards = frozenset(shard.number for shard in data.shards)
    if data.kind == "replicated":
        return Rows(shards, replicated=True)
    if data.kind == "round_robin":
        return Rows(shards)
    keys: tuple[frozenset[Hashable], ...] = tuple(frozenset({(alias, name)}) for name in data.distribution_columns)
    return Rows(shards & frozenset(data.buckets), layout=layout_of(table), keys=keys)


def layout_of(table: VirtualTable) -> Layout:
    """Of a table distributed by hash."""
    data = placement_of(table)
    types = {column.name: pg_type(column.type).text for column in table.columns}
    keys = tuple(types[name] for name in data.distribution_columns)
    return Layout(tuple(family(of) for of in keys), data.hash_version, data.buckets, keys)


@dataclass
class Prune:
    """``notes``: what was concluded, for EXPLAIN: (column = constants) → shards."""

    notes: list[str] = field(default_factory=list)
    key: tuple[Layout, tuple[int | str, ...]] | None = None
    """The last single key that was found."""

    def leaf(self, rows: Rows, known: Equalities) -> Rows:
        """A table's rows, on the shards that constants leave over."""
        if rows.layout is None:
            return rows
        values: list[list[object]] = []
        said: list[str] = []
        for key, type_ in zip(rows.keys, rows.layout.types, strict=True):
            found = _values(key, type_, known)
            if found is None:
                return rows
            values.append(found[0])
            said.append(found[1])
        if _product(values) > MOST_COMBINATIONS:
            return rows
        combinations = list(itertools.product(*values))
        plain = len(combinations) == 1 and all(type(value) in (int, str) for value in combinations[0])
        self.key = (rows.layout, combinations[0]) if plain else None  # type: ignore[assignment]  # plain: ints and texts
        shards = shards_of(rows.layout, combinations)
        self.notes.append(" AND ".join(said))
        return rows.on(shards & rows.shards)


def shards_of(layout: Layout, rows: Sequence[Sequence[object]]) -> frozenset[int]:
    """The shards of these values of the distribution columns."""
    if not rows:
        return frozenset()
    if len(rows) == 1 and layout.hash_version == 1:
        bucket = bucket_of(rows[0], layout.types)
        if bucket is not None:
            return frozenset((layout.buckets[bucket],))
    columns = [pa.array(list(column), pg_type(of).arrow) for column, of in zip(zip(*rows, strict=True), layout.types, strict=True)]
    buckets = bucket_numbers(columns, layout.types, layout.hash_version)
    return frozenset(layout.buckets[int(number)] for number in buckets)


def _product(values: Sequence[Sequence[object]]) -> int:
    size = 1
    for part in values:
        size *= len(part)
    return size


def _values(key: frozenset[Hashable], type_: str, known: Equalities) -> tuple[list[object], str] | None:
    """The shortest list of values that the key's column can have, and the condition in words."""
    best: tuple[list[object], str] | None = None
    for column in key:
        for given in known.constants(column):
            made = [constant(item, type_) for item in given]
            if any(value is None for value in made) or (best is not None and len(best[0]) <= len(made)):
                continue
            best = ([value for value in made if value is not None], _in_words(column, given))
    return best


def _in_words(column: Hashable, given: Sequence[exp.Expr]) -> str:
    assert isinstance(column, tuple)
    shown = ", ".join(item.sql("postgres") for item in given[:3])
    if len(given) == 1:
        return f"{column[1]} = {shown}"
    return f"{column[1]} IN ({shown}{', …' if len(given) > 3 else ''})"
