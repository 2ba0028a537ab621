"""Whatever sources take, a planned query answers as plain PostgreSQL does: a list of queries that are easy to get wrong."""

from __future__ import annotations

from collections import Counter

import psycopg
import pytest

from tests.virtualization.conftest import MODES, Lab, lab_of
from virtualization.errors import VirtualizationError

QUERIES = """
SELECT * FROM orders
SELECT id, amt FROM orders WHERE cust = 1 AND d >= '2024-01-15'
SELECT id FROM orders WHERE cust = ANY ('{1,2}'::integer[])
SELECT id FROM orders WHERE cust <> ALL ('{1,2}'::integer[])
SELECT id FROM orders WHERE cust = ANY ('{}'::integer[]) IS NOT TRUE
SELECT id FROM orders WHERE note LIKE 'a%' OR note IS NULL
SELECT id FROM orders WHERE note = ANY ('{a,A}'::text[])
SELECT id FROM orders ORDER BY amt DESC NULLS LAST, id LIMIT 3
SELECT id FROM orders ORDER BY amt NULLS FIRST, id DESC LIMIT 2 OFFSET 1
SELECT id FROM orders ORDER BY amt DESC, id LIMIT 2
SELECT o.id, c.name FROM orders o JOIN customer c ON o.cust = c.id
SELECT o.id, c.name FROM orders o LEFT JOIN customer c ON o.cust = c.id AND c.region = 'r1'
SELECT o.id, c.name FROM orders o LEFT JOIN customer c ON o.cust = c.id WHERE c.region = 'r1'
SELECT o.id, c.name FROM orders o LEFT JOIN customer c ON o.cust = c.id WHERE c.id IS NULL
SELECT o.id, c.name FROM orders o LEFT JOIN customer c ON o.cust = c.id AND o.amt > 10
SELECT o.id, c.name FROM orders o RIGHT JOIN customer c ON o.cust = c.id AND o.amt > 10 WHERE c.region = 'r1'
SELECT o.id, c.name FROM orders o FULL JOIN customer c ON o.cust = c.id AND c.region = 'r1'
SELECT o.id, v.page FROM orders o FULL JOIN visits v ON o.cust = v.cust WHERE o.id IS NULL OR v.id IS NULL
SELECT o.id, v.page FROM orders o LEFT JOIN visits v ON o.cust = v.cust AND v.n > 10 WHERE o.amt > 6
SELECT o.id, v.page, p.title FROM orders o LEFT JOIN (visits v JOIN pages p ON v.page = p.page AND p."Weight" > 1.6) ON o.cust = v.cust
SELECT o.id, c.name, v.n FROM orders o JOIN customer c ON c.id = o.cust JOIN visits v ON v.cust = c.id WHERE v.page = 'x' AND o.amt > 1
SELECT o.id, c.name, v.n FROM orders o, visits v, customer c WHERE c.id = o.cust AND v.cust = c.id AND o.id + v.id < 8
SELECT o.id, v.n, c.name FROM visits v LEFT JOIN orders o ON o.cust = v.cust LEFT JOIN customer c ON c.id = o.cust
SELECT count(*) FROM orders o, customer c
SELECT count(*), sum(n), max(page) FROM empty e LEFT JOIN visits v ON v.id = e.id
SELECT count(*), sum(id), min(v) FROM empty
SELECT v, count(*) FROM empty GROUP BY v
SELECT count(*) FROM empty HAVING count(*) > 0
SELECT cust, sum(amt), avg(amt), count(*) FROM orders GROUP BY 1 HAVING count(*) > 1
SELECT note, count(DISTINCT cust) FROM orders GROUP BY note ORDER BY note DESC NULLS LAST LIMIT 2
SELECT c.region, sum(o.amt) AS s FROM orders o JOIN customer c ON c.id = o.cust GROUP BY c.region ORDER BY s DESC
SELECT c.region r, sum(v.n) FROM visits v JOIN customer c ON c.id = v.cust GROUP BY r ORDER BY 2 DESC, 1
SELECT id FROM customer WHERE id NOT IN (SELECT cust FROM orders)
SELECT id FROM customer WHERE id NOT IN (SELECT cust FROM orders WHERE cust IS NOT NULL)
SELECT id FROM customer WHERE id NOT IN (SELECT cust FROM visits)
SELECT id FROM customer WHERE id IN (SELECT cust FROM visits WHERE n > 5)
SELECT id FROM customer c WHERE EXISTS (SELECT 1 FROM orders o WHERE o.cust = c.id AND o.amt > 15)
SELECT id FROM customer c WHERE NOT EXISTS (SELECT 1 FROM visits v WHERE v.cust = c.id)
SELECT id, (SELECT max(v.n) FROM visits v WHERE v.cust = c.id) FROM customer c
SELECT id, (SELECT max(o.amt) FROM orders o WHERE o.cust = c.id) m FROM customer c ORDER BY m DESC NULLS LAST, id
SELECT id FROM orders WHERE amt = (SELECT max(amt) FROM orders)
SELECT id FROM orders WHERE amt > (SELECT avg(n) FROM visits)
SELECT id FROM orders o WHERE amt > ALL (SELECT n FROM visits v WHERE v.cust = o.cust)
SELECT DISTINCT note FROM orders
SELECT DISTINCT ON (cust) cust, id, amt FROM orders ORDER BY cust, id DESC
SELECT DISTINCT ON (v.page) v.page, c.name FROM visits v LEFT JOIN customer c ON c.id = v.cust ORDER BY v.page, v.id DESC
SELECT id FROM orders UNION SELECT id FROM customer
SELECT id FROM orders UNION ALL SELECT cust FROM visits
SELECT id FROM orders EXCEPT SELECT id FROM customer ORDER BY id DESC LIMIT 1
SELECT cust FROM orders INTERSECT SELECT cust FROM visits
SELECT id, 'o' AS kind FROM orders UNION ALL SELECT id, NULL FROM visits
SELECT NULL AS x, id FROM orders UNION ALL SELECT n, id FROM visits
SELECT d FROM orders UNION SELECT '2020-01-01'
SELECT amt FROM orders UNION SELECT n FROM visits
(SELECT id FROM orders ORDER BY id DESC LIMIT 2) UNION ALL (SELECT id FROM visits ORDER BY id LIMIT 1) ORDER BY 1
SELECT * FROM orders JOIN customer USING (id)
SELECT id FROM orders JOIN visits USING (id)
SELECT * FROM orders NATURAL JOIN visits
SELECT id, cust FROM orders FULL JOIN visits USING (id, cust)
SELECT id, count(*) FROM orders RIGHT JOIN visits USING (id) GROUP BY id
SELECT o.id, v.id, c.id FROM orders o, visits v, customer c WHERE o.id = v.id AND c.id = v.id
SELECT * FROM (SELECT o.id, v.id FROM orders o JOIN visits v ON o.id = v.id) q
SELECT x.id FROM (SELECT id, amt * 2 AS dbl FROM orders) x WHERE x.dbl > 20
SELECT x.cust, x.s FROM (SELECT cust, sum(amt) AS s FROM orders GROUP BY cust) x WHERE x.cust < 3 AND x.s > 5
SELECT x.cust, v.page FROM (SELECT cust, count(*) AS k FROM orders GROUP BY cust) x LEFT JOIN visits v ON v.cust = x.cust WHERE x.cust = 1
SELECT v.id, x.k FROM visits v LEFT JOIN (SELECT cust, count(*) AS k FROM orders GROUP BY cust) x ON x.cust = v.cust WHERE x.k IS NULL
SELECT x.id FROM (SELECT id, cust FROM orders ORDER BY id LIMIT 3) x WHERE x.cust = 2
SELECT x.a FROM (SELECT DISTINCT note AS a, cust AS b FROM orders) x
SELECT count(x.a) FROM (SELECT count(*) AS c, max(note) AS a FROM orders) x
SELECT 1 FROM (SELECT count(*) AS c FROM orders) x
WITH t AS (SELECT cust, sum(amt) AS s FROM orders GROUP BY cust) SELECT a.cust, b.s FROM t a JOIN t b ON a.cust = b.cust
WITH t AS (SELECT cust FROM visits), u AS (SELECT cust FROM t WHERE cust > 1) SELECT * FROM u
WITH t AS MATERIALIZED (SELECT id FROM orders) SELECT t.id FROM t JOIN visits v ON v.id = t.id
WITH unused AS (SELECT 1/0 FROM orders), t AS (SELECT id FROM visits) SELECT id FROM t
WITH t(a, b) AS (SELECT id, cust FROM orders) SELECT b, a FROM t WHERE a > 2
WITH RECURSIVE t(id) AS (SELECT min(id) FROM customer UNION ALL SELECT t.id + 1 FROM t JOIN visits v ON v.id = t.id) SELECT * FROM t
SELECT a.id, b.id FROM orders a JOIN orders b ON a.cust = b.cust AND a.id < b.id
SELECT a.n, b.n FROM visits a LEFT JOIN visits b ON a.cust = b.cust AND b.page = 'y'
SELECT c.id, t.amt FROM customer c, LATERAL (SELECT amt FROM orders o WHERE o.cust = c.id ORDER BY amt DESC NULLS LAST LIMIT 1) t
SELECT c.id, t.n FROM customer c LEFT JOIN LATERAL (SELECT n FROM visits v WHERE v.cust = c.id ORDER BY n LIMIT 1) t ON true
SELECT id, row_number() OVER (PARTITION BY cust ORDER BY id) FROM orders
SELECT q.id FROM (SELECT id, row_number() OVER (PARTITION BY cust ORDER BY id) AS rn FROM orders) q WHERE q.rn = 1
SELECT v.id, sum(v.n) OVER w FROM visits v JOIN orders o ON o.cust = v.cust WINDOW w AS (PARTITION BY o.note)
SELECT cust, note, count(*) FROM orders GROUP BY ROLLUP (cust, note)
SELECT x.cust, x.k FROM (SELECT cust, count(*) AS k FROM orders GROUP BY ROLLUP (cust)) x WHERE x.cust IS NULL
SELECT o.id, g FROM orders o, generate_series(1, 2) g WHERE o.id < 3
SELECT o.id, k.v FROM orders o JOIN (VALUES (1, 'one'), (2, 'two')) AS k(i, v) ON k.i = o.id
SELECT z.id, u FROM orders z, unnest(ARRAY[z.id, z.cust]) u
SELECT o.id, j.* FROM orders o, json_each_text(json_build_object('a', o.id, 'b', o.cust)) j WHERE o.id < 3
SELECT o.id, j.value, j.ordinality FROM orders o, jsonb_array_elements(jsonb_build_array(o.id, o.cust)) WITH ORDINALITY j WHERE o.id < 3
SELECT o.id, u.*  FROM orders o, unnest(ARRAY[o.id, o.cust], ARRAY['x']) u(n) WHERE o.id < 3
SELECT "Weight" FROM pages WHERE "Weight" > 0
SELECT NULL FROM orders
SELECT orders.id FROM orders WHERE orders.id = 1 AND false
SELECT id FROM orders WHERE NOT (cust = 1 OR cust = 2)
SELECT id, CASE WHEN amt > 10 THEN 'big' WHEN amt IS NULL THEN NULL ELSE 'small' END AS size FROM orders
SELECT id FROM orders WHERE CASE WHEN cust = 1 THEN amt > 15 ELSE true END
SELECT coalesce(o.note, v.page) AS k, count(*) FROM orders o FULL JOIN visits v ON v.id = o.id GROUP BY k
SELECT count(*) FILTER (WHERE amt > 10), string_agg(note, ',' ORDER BY id) FROM orders
SELECT o.id FROM orders o WHERE o.cust IN (SELECT id FROM customer WHERE region = 'r1') AND o.id IN (SELECT id FROM visits)
SELECT o.id FROM orders o JOIN customer c ON c.id = o.cust AND c.name = (SELECT max(name) FROM customer WHERE id < 3)
SELECT id FROM orders WHERE d < current_date AND random() >= 0
SELECT count(*) FROM orders WHERE current_user IS NOT NULL
SELECT ((r1.*)::text IS NOT NULL) FROM orders r1 LEFT JOIN customer r2 ON (r1.cust = r2.id) WHERE (r2.*)::text IS NULL
SELECT count(c.*) FROM orders o LEFT JOIN customer c ON c.id = o.cust
SELECT id AS cust FROM orders ORDER BY cust
SELECT cust AS id FROM orders ORDER BY orders.id LIMIT 2
SELECT -id AS id FROM orders ORDER BY id LIMIT 2
SELECT amt AS cust, count(*) FROM orders GROUP BY cust, amt
SELECT 5 AS five, count(*) FROM orders GROUP BY five
SELECT upper(note) AS u, count(*) FROM orders GROUP BY u ORDER BY u NULLS FIRST
SELECT visits.page FROM visits JOIN pages AS page ON page.page = visits.page
SELECT q.a FROM (SELECT id AS a FROM orders UNION ALL SELECT id FROM visits) q WHERE q.a > 4
SELECT a FROM (SELECT '7' AS a, id FROM orders) q WHERE a = '7'
SELECT s.x FROM (SELECT amt / nullif(id - 1, 0) AS x, id FROM orders) s WHERE s.id > 1
SELECT id / 4, id % 4, -id / 4 FROM orders
VALUES (1, 'a'), (2, NULL)
SELECT 1 + 1 AS two
TABLE customer
SELECT e.id, o.id FROM empty e RIGHT JOIN orders o ON o.id = e.id
SELECT o.id FROM orders o LEFT JOIN empty e ON false
SELECT o.id, e.v FROM (orders o CROSS JOIN pages p) LEFT JOIN empty e ON e.id = o.id AND p.page = e.v WHERE p.page = 'x'
SELECT a.id, v.n FROM (orders a LEFT JOIN customer b ON a.cust = b.id AND a.amt > 6) FULL JOIN visits v ON v.cust = a.cust
SELECT a.id, v.n FROM (orders a JOIN visits b ON a.cust = b.cust AND a.id < (SELECT 5)) FULL JOIN visits v ON v.cust = a.cust
SELECT c.name FROM customer c WHERE (c.id, c.region) IN (SELECT o.cust, 'r1' FROM orders o)
SELECT count(*) FROM (SELECT id FROM orders LIMIT 4) q
SELECT c.id FROM customer c WHERE c.id = 4 ORDER BY c.id LIMIT 1
SELECT max(o.d) - min(o.d), max(d + 1) FROM orders o
SELECT id FROM orders WHERE (d + '1 day'::interval) > '2024-02-01 00:00:00'::timestamp without time zone
SELECT o.id, c.name FROM visits v LEFT JOIN (orders o JOIN customer c ON c.id = o.cust) ON o.cust = v.cust
SELECT o.id FROM customer k LEFT JOIN (orders o JOIN customer c ON c.id = o.cust) ON o.cust = k.id
SELECT r1.id FROM (public.orders r1 INNER JOIN public.customer r2 ON (((r1.cust = r2.id)) AND ((r2.region = 'r1'::text)))) LIMIT 10::bigint
SELECT r1.id, r4.page FROM ((orders r1 LEFT JOIN customer r2 ON (r1.cust = r2.id)) LEFT JOIN public.visits r4 ON (r4.cust = r2.id))
SELECT s1.c1, s1.c2 FROM (SELECT r1.cust, sum(r1.amt) FROM public.orders r1 GROUP BY 1) s1(c1, c2) WHERE s1.c2 > 3::numeric
"""


def queries() -> list[str]:
    return [line for line in QUERIES.strip().splitlines() if line]


@pytest.mark.parametrize("mode", MODES)
def test_same_answers(database: psycopg.Connection, mode: str) -> None:
    lab = lab_of(database, mode)
    wrong = [problem for sql in queries() if (problem := difference(lab, sql))]
    assert not wrong, "\n".join(wrong)


def difference(lab: Lab, sql: str) -> str | None:
    """What is wrong with the planned answer; None: nothing."""
    expected = lab.plain(sql)
    try:
        actual = lab.rows(sql)
    except (VirtualizationError, psycopg.Error) as error:
        return f"{sql}\n   {type(error).__name__}: {str(error)[:300]}\n   residual {_residual(lab, sql)}"
    if Counter(actual) != Counter(expected):
        found = f"expected {expected}\n   actual   {actual}"
        return f"{sql}\n   {found}\n   fragments {lab.texts(sql)}\n   residual {_residual(lab, sql)}"
    return None


def _residual(lab: Lab, sql: str) -> str | None:
    try:
        return lab.residual(sql)
    except VirtualizationError:
        return None
