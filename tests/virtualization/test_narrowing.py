"""Givers are read once, takers are asked for their keys; whatever is too much goes on as if there were no flow."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import sqlglot

from tests.virtualization.stand_ins import MemoryFragment, memory_table
from virtualization.narrowing import ROWS_PER_KEY, Lessons, Narrowing
from virtualization.plan import KeyFlow, QueryContext
from virtualization.planner.costs import Link
from virtualization.planner.key_flows import AS_IT_PAYS, Modes, choose


@dataclass
class Taker(MemoryFragment):
    """Remembers the keys it was asked for."""

    most_keys: int = 10
    asked: list[tuple[str, list[Any]]] = field(default_factory=list)

    def with_keys(self, column: str, keys: pa.Array) -> Taker:
        self.asked.append((column, keys.to_pylist()))
        return self


FLOW = (KeyFlow(0, "k", 1, "j", 10),)


def rows(name: str, values: list[object]) -> pa.Table:
    return memory_table({name: ("integer", values)})


def values(fragment: Any) -> list[object]:
    return [value for batch in fragment.open(QueryContext()) for value in batch.column(0).to_pylist()]


def test_keys_are_distinct_and_without_nulls_and_rows_are_read_once() -> None:
    giver, taker = MemoryFragment(rows("k", [3, None, 3, 1])), Taker(rows("j", [1]))
    narrowing = Narrowing([giver, taker], FLOW, Lessons(), QueryContext())
    assert taker.asked == [("j", [3, 1])]
    assert values(narrowing.fragments[0]) == values(narrowing.fragments[0]) == [3, None, 3, 1]
    assert len(giver.opened) == 1


def test_no_keys_are_keys_too() -> None:
    taker = Taker(rows("j", [1]))
    Narrowing([MemoryFragment(rows("k", [None])), taker], FLOW, Lessons(), QueryContext())
    assert taker.asked == [("j", [])]


def test_too_many_rows_are_handed_on_in_order() -> None:
    many: list[object] = list(range(10 * ROWS_PER_KEY * 3))
    giver, taker = MemoryFragment(rows("k", many), batch_rows=7), Taker(rows("j", [1]))
    narrowing = Narrowing([giver, taker], FLOW, Lessons(), QueryContext())
    assert taker.asked == []
    assert values(narrowing.fragments[0]) == many
    assert values(narrowing.fragments[0]) == many  # a second reader has the source asked again
    narrowing.close()
    assert [batches.closed for batches in giver.opened] == [True, False]


def test_what_the_executor_can_read_itself_is_left_to_it() -> None:
    many: list[object] = list(range(10 * ROWS_PER_KEY * 3))
    giver = MemoryFragment(rows("k", many), batch_rows=7, sql="SELECT 1")
    narrowing = Narrowing([giver, Taker(rows("j", [1]))], FLOW, Lessons(), QueryContext())
    assert narrowing.fragments[0] is giver
    assert [batches.closed for batches in giver.opened] == [True]


def test_a_giver_that_was_too_big_is_not_tried_again() -> None:
    giver, lessons = MemoryFragment(rows("k", list(range(100))), sql="SELECT 1"), Lessons()
    for _ in range(2):
        Narrowing([giver, Taker(rows("j", [1]))], FLOW, lessons, QueryContext())
    assert len(giver.opened) == 1


def test_too_many_keys_are_not_sent() -> None:
    taker = Taker(rows("j", [1]))
    Narrowing([MemoryFragment(rows("k", list(range(11)))), taker], FLOW, Lessons(), QueryContext())
    assert taker.asked == []


def chosen(sql: str, *estimates: float, modes: Modes = AS_IT_PAYS) -> list[tuple[int, int]]:
    fragments = [Taker(memory_table({"k": ("integer", []), "j": ("bigint", []), "d": ("date", [])})) for _ in estimates]
    return [(flow.giver, flow.taker) for flow in choose(sqlglot.parse_one(sql, dialect="postgres"), fragments, estimates, modes)]


JOIN = "SELECT 1 FROM __f0 AS a JOIN __f1 AS b ON a.k = b.j"


def test_the_small_side_gives_where_it_pays() -> None:
    assert chosen(JOIN, 10, 1e6) == [(0, 1)]
    assert chosen(JOIN, 1e6, 10) == [(1, 0)]
    assert chosen(JOIN, 4e5, 1e6) == []
    assert chosen(JOIN, 10, 1000) == []
    assert chosen(JOIN, 10, 1e6, modes=Modes(off=frozenset({1}))) == []
    assert chosen(JOIN, 20, 30, modes=Modes(forced=frozenset({0, 1}))) == [(0, 1)]


@dataclass
class Knows:
    """See ``virtualization.planner.key_flows.Known``."""

    values: dict[tuple[int, str], float] = field(default_factory=dict)
    link: Link | None = None

    def distinct(self, number: int, column: str) -> float | None:
        return self.values.get((number, column))

    def measured_link(self, number: int) -> Link | None:
        return self.link


def test_a_thin_link_is_worth_more_keys_and_a_fast_one_fewer() -> None:
    wide = {"k": ("integer", []), "j": ("bigint", []), "note": ("text", [])}
    fragments = [Taker(memory_table(wide), most_keys=10_000_000) for _ in range(2)]

    def flows(giver: float, taker: float, megabytes: float) -> bool:
        link = Link(0.005, megabytes * 1e6, measured=True)
        return bool(choose(sqlglot.parse_one(JOIN, dialect="postgres"), fragments, [giver, taker], known=Knows(link=link)))

    assert (flows(5e5, 1e6, 12), flows(5e5, 1e6, 1000)) == (True, False)
    assert (flows(9e5, 1e6, 12), flows(10, 1000, 1000), flows(10, 1000, 12)) == (False, False, True)


def test_keys_that_most_rows_have_are_not_sent() -> None:
    """All suppliers to the lines that name one each: a list of thousands, for nothing."""
    fragments = [Taker(memory_table({"k": ("integer", []), "j": ("bigint", [])})) for _ in range(2)]
    known = Knows({(0, "k"): 4_000.0, (1, "j"): 3_900.0})

    def flows(rows: float) -> int:
        query = sqlglot.parse_one(JOIN, dialect="postgres")
        return len(choose(query, fragments, [rows, 6e6], known=known))

    assert (flows(4_000), flows(100)) == (0, 1)
    del known.values[(1, "j")]
    assert flows(4_000) == 1, "nobody knows"


def test_whoever_took_keys_gives_its_own() -> None:
    chain = "SELECT 1 FROM __f0 AS a JOIN __f1 AS b ON a.k = b.k JOIN __f2 AS c ON b.j = c.j"
    assert chosen(chain, 1, 1e5, 1e6) == [(0, 1), (1, 2)]


def test_types_that_are_not_compared_alike_and_fragments_read_twice_take_nothing() -> None:
    assert chosen("SELECT 1 FROM __f0 AS a JOIN __f1 AS b ON a.k = b.d", 10, 1e6) == []
    assert chosen(f"{JOIN} WHERE EXISTS (SELECT 1 FROM __f1 AS c)", 10, 1e6) == []
