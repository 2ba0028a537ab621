SELECT x.id FROM (SELECT id, cust AS c FROM orders) x WHERE x.c = 1 AND x.id > 0
-->
SELECT x.id FROM (SELECT id, cust AS c FROM orders WHERE cust = 1 AND id > 0) x

SELECT x.id FROM (SELECT id, cust + 1 AS c FROM orders WHERE id < 4 OR id = 5) x WHERE x.c = 2
-->
SELECT x.id FROM (SELECT id, cust + 1 AS c FROM orders WHERE (id < 4 OR id = 5) AND (cust + 1) = 2) x

SELECT x.cust FROM (SELECT cust, count(*) AS k FROM orders GROUP BY cust) x WHERE x.cust = 1 AND x.k > 1
-->
SELECT x.cust FROM (SELECT cust, count(*) AS k FROM orders WHERE cust = 1 GROUP BY cust) x WHERE x.k > 1

SELECT x.k FROM (SELECT count(*) AS k FROM orders) x WHERE x.k > 100
-->
=

SELECT x.cust FROM (SELECT cust, count(*) AS k FROM orders GROUP BY ROLLUP (cust)) x WHERE x.cust IS NULL
-->
=

SELECT x.id FROM (SELECT id, cust FROM orders ORDER BY id LIMIT 2) x WHERE x.cust = 1
-->
=

SELECT x.id FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM orders) x WHERE x.id = 3
-->
=

SELECT x.id FROM (SELECT id, generate_series(1, 2) AS g FROM orders) x WHERE x.g = 2
-->
=

SELECT x.cust FROM (SELECT DISTINCT ON (cust) cust, id FROM orders ORDER BY cust, id) x WHERE x.id > 1
-->
=

SELECT v.id FROM visits v LEFT JOIN (SELECT id, cust FROM orders) x ON x.id = v.id WHERE x.cust IS NULL
-->
=

SELECT x.id FROM (SELECT id FROM orders) x LEFT JOIN visits v ON v.id = x.id WHERE x.id > 2
-->
SELECT x.id FROM (SELECT id FROM orders WHERE id > 2) x LEFT JOIN visits v ON v.id = x.id

SELECT x.id FROM visits v RIGHT JOIN (SELECT id FROM orders) x ON v.id = x.id WHERE x.id > 2
-->
=

SELECT x.a FROM (SELECT '7' AS a FROM orders) x WHERE x.a = '7'
-->
=
