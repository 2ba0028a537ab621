SELECT x.id FROM (SELECT id, note, amt FROM orders) x
-->
SELECT x.id FROM (SELECT id FROM orders) x

SELECT count(*) FROM (SELECT id, note FROM orders) x
-->
SELECT count(*) FROM (SELECT id FROM orders) x

SELECT 1 AS one FROM (SELECT count(*) AS c, max(id) AS m FROM orders) x
-->
SELECT 1 AS one FROM (SELECT count(*) AS c FROM orders) x

SELECT x.one FROM (SELECT 1 AS one, max(id) AS m FROM orders) x
-->
=

SELECT x.note FROM (SELECT DISTINCT note, cust FROM orders) x
-->
=

SELECT x.id FROM (SELECT id, generate_series(1, 2) AS g FROM orders) x
-->
=

SELECT x.m FROM (SELECT note || 'x' AS k, max(id) AS m FROM orders GROUP BY 1) x
-->
=

SELECT count(x.*) FROM (SELECT id, note FROM orders) x
-->
=

SELECT x.id FROM (SELECT id, y.note FROM (SELECT id, note, amt FROM orders) y) x
-->
SELECT x.id FROM (SELECT id FROM (SELECT id FROM orders) y) x
