"""Where the rows of a query come into being: on which shards, and by which columns they are spread there."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field, replace

from virtualization.plan import Kept


class ScatteredError(Exception):
    """The answer is not the union of what the shards answer; ``kept`` says which part is to blame."""

    def __init__(self, kept: Kept) -> None:
        super().__init__(kept.why)
        self.kept = kept


@dataclass(frozen=True)
class Layout:
    """What must be the same for equal keys to lie on the same shard: families of types, hash version, buckets.
    ``types``: the columns' own ones."""

    families: tuple[str, ...]
    hash_version: int
    buckets: tuple[int, ...]
    types: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class Rows:
    """Rows of a table, a join or a query; their union over ``shards`` is all of them, each once.

    ``replicated``: every one of the shards has all of them. ``keys``: per column of ``layout``, what is equal to it in every row:
    (alias, column) inside a block, a position in the output of a query; () where the rows are spread by nothing that is known.
    ``unstable``: another shard might give other rows (LIMIT), so that they must be read from one only.
    """

    shards: frozenset[int]
    replicated: bool = False
    layout: Layout | None = None
    keys: tuple[frozenset[Hashable], ...] = ()
    unstable: bool = False

    @property
    def at_one(self) -> bool:
        """Does one shard know the whole answer?"""
        return self.replicated or len(self.shards) == 1

    def on(self, shards: frozenset[int]) -> Rows:
        """The same rows, known to be on these shards only; an empty set means no rows, which any one shard can say."""
        return replace(self, shards=shards or frozenset(list(sorted(self.shards))[:1]))

    def without_keys(self) -> Rows:
        """The same, spread by nothing known."""
        return replace(self, layout=None, keys=())

    def renamed(self, name: Callable[[Hashable], Iterable[Hashable]]) -> Rows:
        """Keys under their names elsewhere; a key that has none there leaves the rows without keys."""
        keys = tuple(frozenset(new for old in key for new in name(old)) for key in self.keys)
        return replace(self, keys=keys) if keys and all(keys) else self.without_keys()

    def covered_by(self, columns: Iterable[Hashable]) -> bool:
        """Do rows that are equal in ``columns`` lie on one shard?"""
        given = set(columns)
        return self.at_one or (bool(self.keys) and all(key & given for key in self.keys))


Same = Callable[[Hashable, Hashable], bool]


def together(left: Rows, right: Rows, same: Same) -> bool:
    """Does each row lie beside all rows of the other side that are equal in the keys?"""
    if not left.replicated and not right.replicated and left.shards == right.shards and len(left.shards) == 1:
        return True
    if left.layout is None or left.layout != right.layout:
        return False
    return all(any(same(a, b) for a in one for b in two) for one, two in zip(left.keys, right.keys, strict=True))


def joined(kind: str, left: Rows, right: Rows, same: Same) -> Rows | str:
    """``left`` INNER, LEFT, RIGHT or FULL joined with ``right`` shard by shard; or why that is not the join."""
    if kind == "RIGHT":
        kind, left, right = "LEFT", right, left
    if left.replicated and right.replicated:
        common = left.shards & right.shards
        return Rows(common, replicated=True, unstable=left.unstable or right.unstable) if common else "no shard has both tables"
    if left.unstable or right.unstable:
        return "rows picked by LIMIT or a window may be others on another shard"
    if right.replicated or (left.replicated and kind == "INNER"):
        spread, copied = (left, right) if right.replicated else (right, left)
        if kind == "FULL":
            return "FULL JOIN with a replicated table would find its unmatched rows on each shard"
        return spread if spread.shards <= copied.shards else "not every shard has the replicated table yet"
    if left.replicated:
        return "an outer join that keeps a replicated table's rows would keep them on each shard"
    if not together(left, right, same):
        return "the tables are not joined on all columns by which both are distributed"
    return _beside(kind, left, right)


def _beside(kind: str, left: Rows, right: Rows) -> Rows:
    if kind == "LEFT":
        return left
    if kind == "FULL":
        return Rows(left.shards | right.shards)
    if left.layout is None or left.layout != right.layout:  # one shard holds both
        return left if left.layout is not None else right
    keys = tuple(one | two for one, two in zip(left.keys, right.keys, strict=True))
    return replace(left, keys=keys).on(left.shards & right.shards)
