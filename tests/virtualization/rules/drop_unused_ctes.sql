WITH a AS (SELECT id FROM orders), b AS (SELECT id FROM a) SELECT id FROM visits
-->
SELECT id FROM visits

WITH a AS (SELECT id FROM orders), b AS (SELECT id FROM a) SELECT q.id FROM a q
-->
WITH a AS (SELECT id FROM orders) SELECT q.id FROM a q

WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT 7
-->
SELECT 7
