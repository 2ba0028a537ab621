"""Shrinking, with a difference that is made up: no database is needed."""

from __future__ import annotations

from virtualization.verify.shrink import shrink

LONG = """WITH w AS (SELECT DISTINCT a."id" AS c1, count(*) AS k FROM "t" a
LEFT JOIN "u" b ON a."id" = b."id" AND (b."x" > 3 OR b."x" IS NULL)
WHERE (a."name" LIKE 'a%') AND (a."id" IN (1, 2, 3)) GROUP BY 1 HAVING count(*) > 1)
SELECT v.c1, coalesce(v.k, 0) + 1 FROM w JOIN w v ON w.c1 = v.c1 WHERE v.k < 9 ORDER BY 1 LIMIT 5"""


def test_what_does_not_matter_goes() -> None:
    small = shrink(LONG, lambda sql: "LIKE" in sql)
    assert "LIKE" in small and len(small) < 100, small
    assert "HAVING" not in small and "ORDER" not in small


def test_a_statement_that_can_not_be_made_smaller_stays() -> None:
    assert shrink("SELECT a FROM t", lambda sql: False) == "SELECT a FROM t"


def test_an_inner_limit_never_loses_its_order_alone() -> None:
    sql = "SELECT q.a FROM (SELECT a, b FROM t ORDER BY a, b LIMIT 3) q WHERE q.b = 1"
    seen: list[str] = []
    shrink(sql, lambda text: seen.append(text) or False)  # type: ignore[func-returns-value]
    assert seen
    assert all("ORDER BY" in text for text in seen if "LIMIT" in text), seen


def test_it_ends_when_its_tries_are_used_up() -> None:
    asked: list[str] = []
    shrink(LONG, lambda sql: asked.append(sql) or False, tries=5)  # type: ignore[func-returns-value]
    assert len(asked) == 5
