"""Which rows of a fragment may be left out once the other side's keys are known."""

from __future__ import annotations

import pytest
import sqlglot

from virtualization.planner.key_types import same_kind
from virtualization.planner.keys import edges

ALLOWED = {
    "inner join, both": ("SELECT 1 FROM __f0 AS a JOIN __f1 AS b ON a.k = b.k", "0<1 1<0"),
    "WHERE, both": ("SELECT 1 FROM __f0 AS a CROSS JOIN __f1 AS b WHERE a.k = b.k", "0<1 1<0"),
    "left join: the side that may be missing": ("SELECT 1 FROM __f0 AS a LEFT JOIN __f1 AS b ON a.k = b.k", "1<0"),
    "right join: the same": ("SELECT 1 FROM __f0 AS a RIGHT JOIN __f1 AS b ON a.k = b.k", "0<1"),
    "full join: none": ("SELECT 1 FROM __f0 AS a FULL JOIN __f1 AS b ON a.k = b.k", ""),
    "WHERE above a full join": ("SELECT 1 FROM __f0 AS a FULL JOIN __f1 AS b ON a.j = b.j CROSS JOIN __f2 AS c WHERE b.k = c.k", "1<2 2<1"),
    "a filter of a left join's ON is none of its left side": ("SELECT 1 FROM __f0 AS a LEFT JOIN __f1 AS b ON a.k = a.j", ""),
    "brackets": ("SELECT 1 FROM __f0 AS a JOIN (__f1 AS b LEFT JOIN __f2 AS c ON b.j = c.j) ON a.k = c.k", "2<1 0<2 2<0"),
    "IN": ("SELECT 1 FROM __f0 AS a WHERE a.k IN (SELECT b.k FROM __f1 AS b)", "0<1 1<0"),
    "NOT IN": ("SELECT 1 FROM __f0 AS a WHERE NOT a.k IN (SELECT b.k FROM __f1 AS b)", ""),
    "IN under OR": ("SELECT 1 FROM __f0 AS a WHERE a.k IN (SELECT b.k FROM __f1 AS b) OR a.j = 1", ""),
    "IN of groups": ("SELECT 1 FROM __f0 AS a WHERE a.k IN (SELECT b.k FROM __f1 AS b GROUP BY b.k HAVING count(*) > 1)", "0<1 1<0"),
    "IN of first rows": ("SELECT 1 FROM __f0 AS a WHERE a.k IN (SELECT b.k FROM __f1 AS b ORDER BY b.j LIMIT 3)", "0<1"),
    "EXISTS": ("SELECT 1 FROM __f0 AS a WHERE EXISTS (SELECT 1 FROM __f1 AS b WHERE b.k = a.k)", "0<1 1<0"),
    "EXISTS of an aggregate is true": ("SELECT 1 FROM __f0 AS a WHERE EXISTS (SELECT count(*) FROM __f1 AS b WHERE b.k = a.k)", "1<0"),
    "NOT EXISTS: the inner side": ("SELECT 1 FROM __f0 AS a WHERE NOT EXISTS (SELECT 1 FROM __f1 AS b WHERE b.k = a.k)", "1<0"),
    "a scalar sub-query": ("SELECT (SELECT max(b.v) FROM __f1 AS b WHERE b.k = a.k) FROM __f0 AS a", "1<0"),
    "derived tables": ("SELECT 1 FROM (SELECT a.k AS x FROM __f0 AS a) AS s JOIN __f1 AS b ON s.x = b.k", "0<1 1<0"),
    "group keys": ("SELECT 1 FROM (SELECT a.k AS x, sum(v) AS v FROM __f0 AS a GROUP BY a.k) AS s JOIN __f1 AS b ON s.x = b.k", "0<1 1<0"),
    "ROLLUP": ("SELECT 1 FROM (SELECT a.k AS x FROM __f0 AS a GROUP BY ROLLUP (a.k)) AS s JOIN __f1 AS b ON s.x = b.k", "1<0"),
    "windows": ("SELECT 1 FROM (SELECT a.k AS x, rank() OVER (ORDER BY a.v) AS y FROM __f0 AS a) AS s JOIN __f1 AS b ON s.x = b.k", "1<0"),
    "DISTINCT ON": ("SELECT 1 FROM (SELECT DISTINCT ON (a.v) a.k AS x FROM __f0 AS a) AS s JOIN __f1 AS b ON s.x = b.k", "1<0"),
    "an expression": ("SELECT 1 FROM __f0 AS a JOIN __f1 AS b ON a.k + 1 = b.k", ""),
    "not an equality": ("SELECT 1 FROM __f0 AS a JOIN __f1 AS b ON a.k IS NOT DISTINCT FROM b.k", ""),
}  # fmt: skip


@pytest.mark.parametrize(("sql", "expected"), ALLOWED.values(), ids=ALLOWED.keys())
def test_who_takes_keys_from_whom(sql: str, expected: str) -> None:
    found = [f"{edge.taker.fragment}<{edge.giver.fragment}" for edge in edges(sqlglot.parse_one(sql, dialect="postgres"))]
    assert sorted(found) == sorted(expected.split())


@pytest.mark.parametrize(
    ("giver", "taker", "expected"),
    [
        ("integer", "bigint", True),
        ("bigint", "smallint", True),
        ("bigint", "numeric(12,2)", True),
        ("numeric(12,2)", "numeric(10,4)", True),
        ("numeric(12,2)", "bigint", False),
        ("numeric", "numeric(12,2)", False),
        ("text", "character varying(3)", True),
        ("character(3)", "text", False),
        ("text", "character(3)", False),
        ("double precision", "double precision", False),
        ("date", "timestamp without time zone", False),
        ("date", "date", True),
        ("uuid", "uuid", False),
        ("integer[]", "integer[]", False),
        ("boolean", "boolean", False),
    ],
)
def test_types_whose_equality_keys_keep(giver: str, taker: str, expected: bool) -> None:
    assert same_kind(giver, taker) is expected
