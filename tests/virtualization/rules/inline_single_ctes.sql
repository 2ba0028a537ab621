WITH t AS (SELECT cust FROM visits) SELECT a.cust FROM t a WHERE a.cust > 1
-->
SELECT a.cust FROM (SELECT cust FROM visits) a WHERE a.cust > 1

WITH t AS (SELECT id FROM orders) SELECT a.id FROM t a JOIN t b ON a.id = b.id
-->
=

WITH t AS MATERIALIZED (SELECT id FROM orders) SELECT id FROM t
-->
=

WITH t AS (SELECT id FROM orders WHERE random() >= 0) SELECT id FROM t
-->
=

WITH t AS (SELECT id FROM orders), u AS (SELECT id FROM t) SELECT id FROM u
-->
SELECT id FROM (SELECT id FROM (SELECT id FROM orders) t) u
