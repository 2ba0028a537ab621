"""The conditions by which connectors without a form of their own take keys."""

from __future__ import annotations

import datetime
from decimal import Decimal

import pyarrow as pa
import pytest
import sqlglot
from sqlglot import exp

from tests.virtualization.stand_ins import MemoryFragment, memory_table
from virtualization.planner.asked_again import AskedAgain, literals, narrowed_query


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (pa.array([1, -2]), "1, -2"),
        (pa.array([Decimal("1.50")]), "1.50"),
        (pa.array(["it's", ""]), "'it''s', ''"),
        (pa.array([datetime.date(2024, 2, 1)]), "'2024-02-01'"),
        (pa.array(["a\0"]), None),
        (pa.array([2_932_897], pa.int32()).cast(pa.date32()), None),  # year 10000
        (pa.array([-800_000], pa.int32()).cast(pa.date32()), None),  # before Christ
    ],
)
def test_keys_as_constants(keys: pa.Array, expected: str | None) -> None:
    made = literals(keys)
    assert (None if made is None else ", ".join(one.sql("postgres") for one in made)) == expected


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT a.x AS k FROM a WHERE a.y = 1 OR a.z = 2", "SELECT a.x AS k FROM a WHERE (a.y = 1 OR a.z = 2) AND a.x IN (7)"),
        ("SELECT a.x AS k FROM a", "SELECT a.x AS k FROM a WHERE a.x IN (7)"),
        ("SELECT a.x + 1 AS k FROM a", None),
        ("SELECT a.x AS k, sum(a.y) AS s FROM a GROUP BY a.x", "SELECT a.x AS k, SUM(a.y) AS s FROM a WHERE a.x IN (7) GROUP BY a.x"),
        ("SELECT max(a.y) AS s, a.x AS k FROM a GROUP BY a.y", None),
        ("SELECT a.x AS k FROM a GROUP BY ROLLUP (a.x)", None),
        ("SELECT a.x AS k FROM a HAVING count(*) > 1", None),
        ("SELECT a.x AS k FROM a LIMIT 3", None),
        ("SELECT a.x AS k, rank() OVER (ORDER BY a.y) AS r FROM a", None),
        ("SELECT a.x AS k FROM a UNION SELECT b.x FROM b", None),
    ],
)
def test_the_condition_in_a_query(sql: str, expected: str | None) -> None:
    query = sqlglot.parse_one(sql, dialect="postgres")
    assert isinstance(query, exp.Query)
    made = narrowed_query(query, "k", [exp.Literal.number(7)])
    assert (None if made is None else made.sql("postgres")) == expected


def test_a_source_that_declines_is_read_as_it_was() -> None:
    fragment = MemoryFragment(memory_table({"k": ("integer", [])}))
    asked: list[str] = []

    def again(column: str, values: list[exp.Expr]) -> None:
        asked.append(f"{column} IN ({', '.join(value.sql() for value in values)})")

    taker = AskedAgain(fragment, again)
    assert taker.with_keys("k", pa.array([3])) is fragment
    assert taker.with_keys("k", pa.array([], pa.int32())) is fragment
    assert asked == ["k IN (3)", "k IN (NULL)"]
