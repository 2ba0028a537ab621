-- One a line; "whole:" before those that must be one statement at the source.
whole: SELECT id, small, i, big, huge, price, rate, plain, dbl, flt, name, code, moment, ts, tz, truth, day, short, note, bytes, "Mixed Name" FROM edges
whole: SELECT id FROM edges WHERE i = 42
whole: SELECT id FROM edges WHERE big > 0 AND small BETWEEN 1 AND 9
whole: SELECT id FROM edges WHERE small IN (1, 2, 3) OR price > 10.5
whole: SELECT id FROM edges WHERE NOT (small IN (1, 2, 3) OR price > 10.5)
whole: SELECT id FROM edges WHERE huge = 4200000000000000000
whole: SELECT id FROM edges WHERE plain = 0.5 OR plain > 1000000
whole: SELECT id, plain FROM edges WHERE plain <> 7 ORDER BY plain DESC, id LIMIT 7
whole: SELECT id FROM edges WHERE dbl > 0.5
whole: SELECT id FROM edges WHERE dbl = 0 OR dbl < -2
whole: SELECT id, dbl FROM edges WHERE dbl <> 3 ORDER BY dbl, id
SELECT id FROM edges WHERE dbl = 0.1
whole: SELECT id FROM edges WHERE flt = 0.125
whole: SELECT id FROM edges WHERE name = 'ab'
whole: SELECT id FROM edges WHERE name <> 'ab'
whole: SELECT id FROM edges WHERE NOT name = 'ab'
whole: SELECT id FROM edges WHERE name > 'a' AND name <= 'zebra'
whole: SELECT id, name FROM edges WHERE name IN ('日本', 'it''s', ' a ', 'a ', 'a\')
whole: SELECT id FROM edges WHERE name IS NULL
whole: SELECT id FROM edges WHERE name IS NOT NULL
SELECT id FROM edges WHERE name = ''
SELECT id FROM edges WHERE name <> ''
SELECT id FROM edges WHERE name > ''
SELECT id FROM edges WHERE NOT name = ''
SELECT id FROM edges WHERE coalesce(name, '') = ''
SELECT id, name || '' AS x FROM edges
whole: SELECT id FROM edges WHERE name LIKE 'a%'
whole: SELECT id FROM edges WHERE name NOT LIKE 'a%'
whole: SELECT id FROM edges WHERE name LIKE '%b%'
whole: SELECT id FROM edges WHERE name LIKE '_'
whole: SELECT id FROM edges WHERE name LIKE 'a\%b\_c'
whole: SELECT id FROM edges WHERE name LIKE 'a\\'
whole: SELECT id FROM edges WHERE name LIKE '%' AND name LIKE '%\z%'
SELECT id FROM edges WHERE name LIKE ''
SELECT id FROM edges WHERE name ILIKE 'A%'
whole: SELECT id, name FROM edges WHERE upper(name) = 'AB'
whole: SELECT id, name FROM edges WHERE upper(name) IN ('I', 'S', 'K', 'A')
whole: SELECT id, name FROM edges WHERE lower(name) = 'i' OR lower(name) = 'k'
whole: SELECT id, name FROM edges WHERE lower(name) <> 'a'
whole: SELECT id, name FROM edges WHERE upper(name) LIKE 'A%'
SELECT id, upper(name) AS u FROM edges
SELECT id FROM edges WHERE upper(name) = 'Ä'
whole: SELECT id FROM edges WHERE code = 'ab'
whole: SELECT id FROM edges WHERE code = 'ab  '
whole: SELECT id FROM edges WHERE code IN ('x', 'abcd')
whole: SELECT id FROM edges WHERE code <> 'x'
SELECT id FROM edges WHERE code > 'ab'
SELECT id FROM edges WHERE code LIKE 'ab'
SELECT id FROM edges WHERE code = name
whole: SELECT code, count(*) FROM edges GROUP BY code
SELECT id, small * i AS o FROM edges
SELECT id FROM edges ORDER BY code, id
whole: SELECT id FROM edges WHERE short = 'ab'
whole: SELECT id, short FROM edges WHERE short LIKE '_b'
whole: SELECT id FROM edges WHERE moment = '2024-02-29'
whole: SELECT id FROM edges WHERE moment > '2024-02-29 11:59:59'
whole: SELECT id FROM edges WHERE moment >= DATE '1995-01-01' AND moment < DATE '1995-01-01' + INTERVAL '1 year'
whole: SELECT id FROM edges WHERE moment < TIMESTAMP '2024-02-29 12:00:00.000001'
whole: SELECT id FROM edges WHERE day = '2024-02-29'
whole: SELECT id FROM edges WHERE day IN ('2024-02-29', '0001-01-01', '9999-12-31')
whole: SELECT id FROM edges WHERE day > DATE '2024-03-31' - INTERVAL '1 month'
whole: SELECT id FROM edges WHERE day BETWEEN DATE '1995-03-15' AND DATE '2024-02-28' + 1
whole: SELECT id FROM edges WHERE ts > '1995-03-15 07:30:00.000001'
whole: SELECT id FROM edges WHERE ts = moment
whole: SELECT id FROM edges WHERE ts > moment OR day = moment
SELECT id FROM edges WHERE tz > '2024-01-01'
whole: SELECT id FROM edges WHERE tz = tz
whole: SELECT id, tz FROM edges ORDER BY tz, id
whole: SELECT id FROM edges WHERE truth
whole: SELECT id FROM edges WHERE NOT truth
whole: SELECT id FROM edges WHERE truth IS NULL
whole: SELECT id FROM edges WHERE truth IS TRUE OR small = 1
whole: SELECT id FROM edges WHERE truth IS NOT TRUE
whole: SELECT id FROM edges WHERE truth = false
whole: SELECT id, small > 2 AS more, truth FROM edges
whole: SELECT truth, count(*) FROM edges GROUP BY truth ORDER BY truth
whole: SELECT id FROM edges WHERE small IS DISTINCT FROM 1
whole: SELECT id FROM edges WHERE small IS NOT DISTINCT FROM i
SELECT id FROM edges WHERE note IS NULL
SELECT id FROM edges WHERE note LIKE 'note 1%'
SELECT DISTINCT note FROM edges
SELECT count(DISTINCT bytes) FROM edges
whole: SELECT id, small + i AS a, small - i AS b, small * 100000 AS c, -small AS d, abs(i) AS e FROM edges
whole: SELECT id, i / 7 AS q, i % 7 AS r, i / 100000 AS z FROM edges
whole: SELECT id, big / 1000 AS q FROM edges
SELECT id, i % small AS r FROM edges WHERE small <> 0
SELECT id, big * big AS c FROM edges WHERE id < 0
whole: SELECT id, price * rate AS a, price + rate AS b, price - 1 AS c, price * 2 AS d FROM edges
SELECT id, price / 3 AS q FROM edges
SELECT id, plain * 2 AS q FROM edges WHERE plain < 100
whole: SELECT id FROM edges WHERE i * 2 > 10
whole: SELECT id FROM edges WHERE price * 1.1 > 20
whole: SELECT id, round(price, 1) AS a, round(rate) AS b, ceil(price) AS c, floor(price) AS d FROM edges
whole: SELECT id, price::numeric(14,1) AS a, i::bigint AS b, small::text AS c FROM edges
SELECT id, price::integer AS a FROM edges
whole: SELECT id, rate::integer AS a FROM edges
whole: SELECT id, length(name) AS l FROM edges
whole: SELECT id, substring(name, 1, 2) AS s, left(name, 1) AS l FROM edges
whole: SELECT id FROM edges WHERE substring(name, 2, 1) = 'b'
SELECT id FROM edges WHERE NOT substring(name, 2, 1) = 'b'
SELECT id FROM edges WHERE substring(name, 2, 1) <> 'b'
SELECT id, substring(name, 2, 1) AS s FROM edges
SELECT id, length(substring(name, 2)) AS s FROM edges
whole: SELECT id FROM edges WHERE trim(name) = 'a'
SELECT id, trim(name) AS t FROM edges
SELECT trim(name), count(*) FROM edges GROUP BY 1
whole: SELECT id, position('b' in name) AS p FROM edges
whole: SELECT id, name || '-' || key AS j FROM edges
whole: SELECT id FROM edges WHERE key || 'x' = 'k1x'
whole: SELECT id, coalesce(name, 'none') AS c, coalesce(small, i, 0) AS d, nullif(small, 1) AS e FROM edges
SELECT id, coalesce(price, 0) AS c FROM edges
whole: SELECT id, CASE WHEN small > 2 THEN 'many' WHEN small IS NULL THEN 'none' ELSE 'few' END AS c FROM edges
whole: SELECT id, CASE small WHEN 1 THEN price WHEN 2 THEN -price END AS c FROM edges
SELECT id, CASE WHEN small > 2 THEN name ELSE '' END AS c FROM edges
whole: SELECT CASE WHEN small > 2 THEN 'many' ELSE 'few' END AS c, count(*) FROM edges GROUP BY 1 ORDER BY 1
whole: SELECT id, extract(year FROM moment) AS y, extract(month FROM day) AS m, extract(day FROM ts) AS d, extract(hour FROM moment) AS h FROM edges
whole: SELECT id, extract(quarter FROM moment) AS q, extract(doy FROM moment) AS d, extract(minute FROM ts) AS m FROM edges
SELECT id, extract(second FROM ts) AS s, extract(dow FROM ts) AS d FROM edges
whole: SELECT extract(year FROM moment) AS y, count(*), sum(price) FROM edges GROUP BY 1 HAVING count(*) > 1 ORDER BY y
whole: SELECT id, date_trunc('month', moment) AS a, date_trunc('hour', ts) AS b, date_trunc('quarter', ts) AS c FROM edges
whole: SELECT date_trunc('year', ts) AS y, count(*) FROM edges GROUP BY 1
SELECT id, day + 1 AS x, moment - INTERVAL '1 day' AS y FROM edges WHERE day BETWEEN '1900-01-01' AND '2100-01-01'
whole: SELECT id, day - DATE '2000-01-01' AS n FROM edges
whole: SELECT count(*), count(name), count(DISTINCT key), sum(small), sum(price), min(name), max(name), min(moment), max(price) FROM edges
whole: SELECT count(*) FROM edges WHERE id < 0
whole: SELECT sum(price), max(name), count(*) FROM edges WHERE id < 0
whole: SELECT avg(price), avg(small), avg(big) FROM edges
whole: SELECT key, avg(price) AS a, avg(price) FILTER (WHERE small > 1) AS b FROM edges GROUP BY key
whole: SELECT key, count(*), sum(price), min(plain), max(dbl) FROM edges GROUP BY key ORDER BY key DESC
whole: SELECT key, count(*) FILTER (WHERE small > 2), sum(price) FILTER (WHERE truth) FROM edges GROUP BY key
whole: SELECT key, sum(big) FROM edges GROUP BY key HAVING sum(big) > 0 AND max(name) IS NOT NULL
SELECT avg(dbl) FROM edges WHERE dbl < 10
SELECT sum(dbl) FROM edges WHERE dbl < 10
SELECT sum(plain) FROM edges
SELECT key, avg(price) AS a FROM edges GROUP BY key ORDER BY a
whole: SELECT key, truth, count(*) FROM edges GROUP BY ROLLUP (key, truth)
whole: SELECT key, truth, sum(price) FROM edges GROUP BY CUBE (key, truth)
whole: SELECT key, truth, sum(price) FROM edges GROUP BY GROUPING SETS ((key), (truth), ())
whole: SELECT key || '!' AS k, count(*) FROM edges GROUP BY ROLLUP (key)
whole: SELECT DISTINCT key, small FROM edges
whole: SELECT DISTINCT plain FROM edges
whole: SELECT DISTINCT name FROM edges ORDER BY name DESC LIMIT 5
SELECT DISTINCT ON (key) key, id FROM edges ORDER BY key, id
whole: SELECT id, name FROM edges ORDER BY name, id
whole: SELECT id, name FROM edges ORDER BY name DESC, id
whole: SELECT id, name FROM edges ORDER BY name NULLS FIRST, id LIMIT 4 OFFSET 2
whole: SELECT id FROM edges ORDER BY id OFFSET 70
whole: SELECT id FROM edges ORDER BY id LIMIT 0
whole: SELECT id FROM edges ORDER BY small DESC NULLS LAST, id LIMIT 9
whole: SELECT e.id, o.id AS oid, o.label FROM edges e JOIN other o ON e.id = o.ref
whole: SELECT e.id, o.id AS oid, o.label FROM edges e LEFT JOIN other o ON e.id = o.ref AND o.label LIKE 'label%'
whole: SELECT e.id, o.id AS oid FROM edges e RIGHT JOIN other o ON e.id = o.ref WHERE o.id < 20
whole: SELECT e.id, o.id AS oid FROM edges e FULL JOIN other o ON e.id = o.ref
whole: SELECT e.id, coalesce(o.label || e.key, 'none') AS j FROM edges e LEFT JOIN other o ON e.id = o.ref
whole: SELECT count(*) FROM edges e, other o WHERE e.key = o.key
whole: SELECT e.key, sum(o.price) AS s FROM edges e JOIN other o ON e.key = o.key GROUP BY e.key ORDER BY s DESC, e.key LIMIT 3
whole: SELECT e.id FROM edges e JOIN edges f ON e.small = f.id JOIN other o ON o.ref = f.id
whole: SELECT id FROM edges e WHERE EXISTS (SELECT 1 FROM other o WHERE o.ref = e.id AND o.price > e.price)
whole: SELECT id FROM edges e WHERE NOT EXISTS (SELECT 1 FROM other o WHERE o.ref = e.id)
whole: SELECT id FROM edges WHERE id IN (SELECT ref FROM other)
whole: SELECT id FROM edges WHERE id NOT IN (SELECT ref FROM other)
whole: SELECT id FROM edges WHERE id NOT IN (SELECT ref FROM other WHERE ref IS NOT NULL)
whole: SELECT id, (SELECT max(o.price) FROM other o WHERE o.ref = e.id) AS m FROM edges e
whole: SELECT id FROM edges WHERE price > (SELECT max(price) FROM other WHERE id < 3)
whole: SELECT key FROM edges UNION SELECT key FROM other ORDER BY key
whole: SELECT id, price FROM edges UNION ALL SELECT id, price FROM other
whole: SELECT key FROM other EXCEPT SELECT key FROM edges
whole: SELECT id FROM edges INTERSECT SELECT ref FROM other ORDER BY 1 DESC LIMIT 3
SELECT key FROM edges EXCEPT ALL SELECT key FROM other
whole: SELECT q.key, q.n FROM (SELECT key, count(*) AS n FROM edges GROUP BY key) q WHERE q.n > 7
whole: SELECT q.key, q.t FROM (SELECT key, truth AS t FROM edges WHERE small > 0) q WHERE q.t
whole: WITH x AS (SELECT key, sum(price) AS s FROM edges GROUP BY key) SELECT a.key, b.s FROM x a JOIN x b ON a.key = b.key WHERE a.s > 0
whole: SELECT id, row_number() OVER (PARTITION BY key ORDER BY id DESC) AS r FROM edges
whole: SELECT id, rank() OVER (ORDER BY small) AS r, dense_rank() OVER (ORDER BY small DESC) AS d FROM edges
whole: SELECT id, sum(price) OVER (PARTITION BY key ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS s, count(*) OVER () AS n FROM edges
whole: SELECT id, lag(name) OVER (ORDER BY id) AS l, lead(price, 2) OVER (PARTITION BY key ORDER BY id) AS m FROM edges
whole: SELECT id, lag(short) OVER (ORDER BY id) AS l, lead(truth) OVER (ORDER BY id) AS m FROM edges
whole: SELECT r.id FROM (SELECT id, row_number() OVER (PARTITION BY key ORDER BY price DESC, id) AS n FROM edges) r WHERE r.n <= 2
SELECT id, row_number() OVER () AS r FROM edges WHERE id = 1
SELECT id, avg(price) OVER (PARTITION BY key) AS r FROM edges
whole: SELECT id AS "select", name AS "a name that is much longer than thirty bytes", key AS "日本", 'x' AS x, 1 AS n, 1.50 AS m FROM edges
whole: SELECT "Mixed Name", count(*) FROM edges GROUP BY "Mixed Name"
whole: SELECT 5 AS five, 'a' AS a, id FROM edges ORDER BY 1, 2, 3 LIMIT 2
SELECT id FROM edges WHERE id IN (SELECT o.ref FROM other o WHERE EXISTS (SELECT 1 FROM other p WHERE p.id = edges.id))
SELECT id FROM edges WHERE random() >= 0
