-- filters: equality, ranges, NULL, lists; numbers of every width
whole: SELECT id FROM TABLE WHERE i = 5
whole: SELECT id FROM TABLE WHERE i <> 5
whole: SELECT id FROM TABLE WHERE NOT i = 5
whole: SELECT id FROM TABLE WHERE i > 5 AND i <= 1000
whole: SELECT id FROM TABLE WHERE NOT (i > 5 AND i <= 1000)
whole: SELECT id FROM TABLE WHERE i > 5.5
whole: SELECT id FROM TABLE WHERE 5 < i
whole: SELECT id FROM TABLE WHERE i IN (5, 7, -3)
whole: SELECT id FROM TABLE WHERE i NOT IN (5, 7, -3)
whole: SELECT id FROM TABLE WHERE i BETWEEN -3 AND 7
whole: SELECT id FROM TABLE WHERE i NOT BETWEEN -3 AND 7
whole: SELECT id FROM TABLE WHERE i IS NULL
whole: SELECT id FROM TABLE WHERE i IS NOT NULL
whole: SELECT id FROM TABLE WHERE i IS NULL OR j > 3
whole: SELECT id, i, j FROM TABLE
whole: SELECT id, f FROM TABLE WHERE f > 5
whole: SELECT id, f FROM TABLE WHERE f <= 5
whole: SELECT id, f FROM TABLE WHERE NOT f > 5
whole: SELECT id FROM TABLE WHERE f = 0
whole: SELECT id FROM TABLE WHERE f <> 0
whole: SELECT id FROM TABLE WHERE f NOT IN (5, 0.1)
whole: SELECT id FROM TABLE WHERE f BETWEEN 0 AND 1
whole: SELECT id FROM TABLE WHERE NOT f BETWEEN 0 AND 1
whole: SELECT id, n, u FROM TABLE
whole: SELECT id FROM TABLE WHERE n = 1.5
whole: SELECT id FROM TABLE WHERE n > 1.49
whole: SELECT id FROM TABLE WHERE u >= 1.005
whole: SELECT id FROM TABLE WHERE NOT u >= 1.005
whole: SELECT id FROM TABLE WHERE u < 5
whole: SELECT id FROM TABLE WHERE i < n
whole: SELECT id FROM TABLE WHERE NOT i < n
whole: SELECT id FROM TABLE WHERE i = j
whole: SELECT id FROM TABLE WHERE i <> j OR j IS NULL
SELECT id FROM TABLE WHERE f < i
SELECT id FROM TABLE WHERE u < n
-- texts: code points, case, blanks, patterns
whole: SELECT id, s, v FROM TABLE
whole: SELECT id FROM TABLE WHERE s = 'a'
whole: SELECT id FROM TABLE WHERE s = ''
whole: SELECT id FROM TABLE WHERE s <> 'a'
whole: SELECT id FROM TABLE WHERE s > 'a'
whole: SELECT id FROM TABLE WHERE s <= 'ä'
whole: SELECT id FROM TABLE WHERE s = '0123456789abcdef01234567'
whole: SELECT id FROM TABLE WHERE s IN ('0123456789abcdef01234567', 'A', '$x')
whole: SELECT id FROM TABLE WHERE s LIKE 'a%'
whole: SELECT id FROM TABLE WHERE s NOT LIKE 'a%'
whole: SELECT id FROM TABLE WHERE s LIKE '%b%'
whole: SELECT id FROM TABLE WHERE s LIKE 'a_b'
whole: SELECT id FROM TABLE WHERE s LIKE '_'
whole: SELECT id FROM TABLE WHERE s LIKE '__'
whole: SELECT id FROM TABLE WHERE s LIKE 'a\%b\_c'
whole: SELECT id FROM TABLE WHERE s LIKE '%.%'
whole: SELECT id FROM TABLE WHERE s LIKE '$%'
whole: SELECT id FROM TABLE WHERE s LIKE ''
whole: SELECT id FROM TABLE WHERE v = 'a.b' AND s LIKE '%b'
SELECT id FROM TABLE WHERE s ILIKE 'A%'
-- upper and lower: letters of ASCII, and those that become one
whole: SELECT id FROM TABLE WHERE upper(s) = 'A'
whole: SELECT id FROM TABLE WHERE upper(s) <> 'A'
whole: SELECT id FROM TABLE WHERE upper(s) IN ('A', 'I', 'S', '$X', 'A.B', 'b')
whole: SELECT id FROM TABLE WHERE lower(s) NOT IN ('a', 'k', 'i', ' a ')
whole: SELECT id FROM TABLE WHERE 'b' = lower(s) OR upper(s) = 'b'
SELECT id FROM TABLE WHERE upper(s) = 'Ä'
SELECT id FROM TABLE WHERE upper(s) > 'A'
SELECT id FROM TABLE WHERE upper(s) LIKE 'A%'
SELECT upper(s), count(*) FROM TABLE GROUP BY upper(s)
-- functions of texts
whole: SELECT id FROM TABLE WHERE length(s) = 1
whole: SELECT id, length(s), substring(s, 2, 3), left(s, 2), substring(s, 2) FROM TABLE
whole: SELECT id, s || 'x' || v, v || s FROM TABLE WHERE s || '!' > 'a'
whole: SELECT coalesce(s, dollar), coalesce(i, g) FROM TABLE WHERE coalesce(o_x, id) > 1
whole: SELECT left(s, 1), count(*) FROM TABLE GROUP BY left(s, 1)
SELECT id FROM TABLE WHERE substring(s, 0, 2) = 'a'
SELECT id FROM TABLE WHERE left(s, -1) = 'a'
SELECT id, i || s FROM TABLE
SELECT id, trim(s) FROM TABLE WHERE reverse(s) = 'a'
-- arithmetic: overflow, division, the digits of numerics
whole: SELECT id FROM TABLE WHERE g * 2 > 5
whole: SELECT id, g + 1, g - id, -g, g * g, abs(g - 3) FROM TABLE
whole: SELECT id, j % 4, j / 4, -j / 3, j % -4 FROM TABLE WHERE j < 1000
whole: SELECT id FROM TABLE WHERE j % 4 = 0 AND j % 4 = 0
whole: SELECT id FROM TABLE WHERE i % 10 > 2 AND i % 10 < 7
whole: SELECT id, j % 4 FROM TABLE WHERE j % 4 > 0 AND j % 4 < 3 AND i > 0
SELECT id FROM TABLE WHERE j % 4 > 0 AND j % 4 < 3 AND i > 0 AND s IS DISTINCT FROM 'a'
whole: SELECT id, n + 1, n - 0.005, n * 2, n * n, -n, abs(n) FROM TABLE
whole: SELECT id, floor(n), ceil(n), floor(n * -1) FROM TABLE
whole: SELECT id, i / 2, i % 7, CAST(j AS bigint) * 4000000000 FROM TABLE WHERE i > -9000000000000000000 AND j < 1000
whole: SELECT g * 2, sum(j + 0), count(g + 1), min(n * 2), max(n - 1) FROM TABLE WHERE j < 1000 GROUP BY g * 2
whole: SELECT sum(n * 2), sum(CAST(g AS bigint) * 3) FROM TABLE
whole: SELECT g, count(*) + 1, max(g) * 2 FROM TABLE GROUP BY g HAVING count(*) * 2 > 10
whole: SELECT g + 1 FROM TABLE GROUP BY g ORDER BY g + 1 DESC LIMIT 2
whole: SELECT id, n * 2 AS x FROM TABLE ORDER BY x DESC NULLS LAST, id LIMIT 9
whole: SELECT CAST(i AS text), CAST(g AS bigint) FROM TABLE WHERE CAST(g AS text) = '2'
whole: SELECT DISTINCT g % 2 FROM TABLE
whole: SELECT id FROM TABLE WHERE g * 2 = id % 5 AND i IS NOT NULL
whole: SELECT id FROM TABLE WHERE NOT g * 2 > 5 OR n + 1 IS NULL
SELECT id, u + 1 FROM TABLE WHERE id < 9
SELECT id, f * 2 FROM TABLE WHERE f < 100
SELECT id, n / 2 FROM TABLE
SELECT id, g / (g + 1) FROM TABLE
SELECT id, round(n, 1) FROM TABLE
SELECT count(*) * 2 FROM TABLE
SELECT id, n * n * n FROM TABLE
-- parts of dates
whole: SELECT id, extract(year FROM t), extract(day FROM d), extract(hour FROM t), extract(doy FROM d) FROM TABLE
whole: SELECT id FROM TABLE WHERE extract(year FROM t) = 2024
whole: SELECT date_trunc('month', t), date_trunc('hour', t), date_trunc('year', t) FROM TABLE
whole: SELECT date_trunc('quarter', t), count(*) FROM TABLE GROUP BY 1
whole: SELECT id, d - DATE '2024-02-28' FROM TABLE
SELECT id, extract(second FROM t), extract(epoch FROM t) FROM TABLE
SELECT id, date_trunc('week', t) FROM TABLE
SELECT id, d + 1 FROM TABLE WHERE d < '9999-01-01'
-- dates
whole: SELECT id, t, d FROM TABLE
whole: SELECT id FROM TABLE WHERE t > '1970-01-01'
whole: SELECT id FROM TABLE WHERE t <= '1969-12-31 23:59:59.999'
whole: SELECT id FROM TABLE WHERE t >= CAST('2024-02-29' AS date) AND t < CAST('2024-03-01' AS date)
whole: SELECT id FROM TABLE WHERE d = '2024-02-29'
whole: SELECT id FROM TABLE WHERE d < CAST('1970-01-02' AS date)
whole: SELECT id FROM TABLE WHERE d >= CAST('2024-02-29 00:00:00' AS timestamp)
whole: SELECT id FROM TABLE WHERE NOT d > '2000-01-01'
whole: SELECT id FROM TABLE WHERE t = d
SELECT id FROM TABLE WHERE t > '1970-01-01 00:00:00.0005'
SELECT id FROM TABLE WHERE t + interval '1 day' > '2024-03-01'
-- truth values, nested objects, strange names
whole: SELECT id FROM TABLE WHERE b
whole: SELECT id FROM TABLE WHERE NOT b
whole: SELECT id FROM TABLE WHERE b = true
whole: SELECT id FROM TABLE WHERE b IS NULL
whole: SELECT id FROM TABLE WHERE b <> false
whole: SELECT id FROM TABLE WHERE NOT (b OR i > 3)
whole: SELECT id FROM TABLE WHERE b AND (i > 3 OR s = 'a') AND NOT (g = 1 OR d IS NULL)
whole: SELECT id, o_x FROM TABLE WHERE o_x > 1
whole: SELECT id FROM TABLE WHERE o_x IS NULL
whole: SELECT id, dotted, dollar FROM TABLE WHERE dotted = 1 AND dollar <> 'r1'
whole: SELECT id FROM TABLE WHERE true
whole: SELECT id FROM TABLE WHERE false
SELECT id FROM TABLE WHERE b IS TRUE
whole: SELECT id FROM TABLE WHERE g * 2 > 1 AND g = 1
-- aggregates
whole: SELECT count(*) FROM TABLE
whole: SELECT count(*) FROM TABLE WHERE id < 0
whole: SELECT count(i), count(s), count(t), count(b), count(f) FROM TABLE
whole: SELECT count(i), sum(i), sum(j), min(i), max(j), min(s), max(t) FROM TABLE WHERE id < 0
whole: SELECT sum(j), avg(j), sum(n), avg(n), min(n), max(n) FROM TABLE
whole: SELECT sum(i), avg(i), min(i), max(i) FROM TABLE
whole: SELECT g, count(*), sum(i), avg(i), min(i), max(i) FROM TABLE GROUP BY g
whole: SELECT g, b, count(n), sum(n), avg(n) FROM TABLE GROUP BY g, b
whole: SELECT i, count(*) FROM TABLE GROUP BY i
whole: SELECT n, count(*), min(s), max(s) FROM TABLE GROUP BY n
whole: SELECT s, count(*) FROM TABLE GROUP BY 1
whole: SELECT t, max(d), min(v) FROM TABLE GROUP BY t
whole: SELECT d, count(*) AS c FROM TABLE WHERE i > 0 GROUP BY d
whole: SELECT o_x, dotted, count(*) FROM TABLE GROUP BY o_x, dotted
whole: SELECT count(DISTINCT i) FROM TABLE
whole: SELECT count(DISTINCT s) FROM TABLE
whole: SELECT g, count(DISTINCT n), sum(n), count(*), max(i), avg(j) FROM TABLE GROUP BY g
whole: SELECT count(DISTINCT t) FROM TABLE WHERE id < 0
whole: SELECT g FROM TABLE GROUP BY g
whole: SELECT g, count(*) FROM TABLE GROUP BY g HAVING count(*) > 9
whole: SELECT g, sum(n) FROM TABLE GROUP BY g HAVING sum(n) > 100 AND max(i) IS NOT NULL
whole: SELECT s, max(i) FROM TABLE GROUP BY s HAVING NOT max(i) > 6
whole: SELECT s, count(DISTINCT g) FROM TABLE GROUP BY s HAVING count(DISTINCT g) > 2
whole: SELECT b, count(*) FROM TABLE GROUP BY b HAVING b
whole: SELECT extract(year FROM t), count(*) FROM TABLE GROUP BY extract(year FROM t)
whole: SELECT extract(month FROM d), extract(day FROM d), count(*) FROM TABLE GROUP BY 1, 2
SELECT sum(f) IS NULL FROM TABLE
SELECT g, max(f) FROM TABLE GROUP BY g
SELECT f, count(*) FROM TABLE WHERE f > 0 GROUP BY f
SELECT count(DISTINCT i), count(DISTINCT s) FROM TABLE
SELECT g, count(*) FILTER (WHERE i > 3) FROM TABLE GROUP BY g
SELECT g, count(*) FROM TABLE GROUP BY g HAVING avg(j) > 1
SELECT count(*) FROM TABLE HAVING count(*) > 1000
SELECT bool_and(b) FROM TABLE
whole: SELECT g, sum(i + 1) FROM TABLE WHERE i < 1000 GROUP BY g
SELECT sum(u) FROM TABLE WHERE id = 14
SELECT g, b, count(*) FROM TABLE GROUP BY ROLLUP (g, b)
-- DISTINCT, order, LIMIT, OFFSET
whole: SELECT DISTINCT g FROM TABLE
whole: SELECT DISTINCT s, b FROM TABLE
whole: SELECT DISTINCT n FROM TABLE WHERE n > 0
whole: SELECT DISTINCT i FROM TABLE ORDER BY i LIMIT 4
whole: SELECT id, i FROM TABLE ORDER BY i, id LIMIT 30
whole: SELECT id, i FROM TABLE ORDER BY i DESC, id LIMIT 30
whole: SELECT id, i FROM TABLE ORDER BY i DESC NULLS LAST, id LIMIT 30
whole: SELECT id, i FROM TABLE ORDER BY i NULLS FIRST, id DESC LIMIT 30 OFFSET 7
whole: SELECT id, f FROM TABLE ORDER BY f, id LIMIT 60
whole: SELECT id, f FROM TABLE ORDER BY f DESC, id LIMIT 60
whole: SELECT id, u FROM TABLE ORDER BY u, id LIMIT 70
whole: SELECT id, u FROM TABLE ORDER BY u DESC, id LIMIT 70
whole: SELECT id, s FROM TABLE ORDER BY s, id LIMIT 40
whole: SELECT id, t FROM TABLE ORDER BY t DESC, id LIMIT 40
whole: SELECT id, b FROM TABLE ORDER BY b, id LIMIT 70
whole: SELECT id FROM TABLE WHERE g = 2 ORDER BY d, id LIMIT 9
whole: SELECT g, count(*) FROM TABLE GROUP BY g ORDER BY count(*) DESC, g LIMIT 2
whole: SELECT s, max(n) AS m FROM TABLE GROUP BY s ORDER BY m DESC NULLS LAST, s LIMIT 6
whole: SELECT id FROM TABLE ORDER BY id OFFSET 40
SELECT g, avg(j) FROM TABLE GROUP BY g ORDER BY avg(j), g LIMIT 2
SELECT count(*) FROM (SELECT id FROM TABLE LIMIT 0) x
SELECT count(*) FROM (SELECT id FROM TABLE LIMIT 17) x
-- joins of the database's tables
whole: SELECT a.id, b.id FROM TABLE a JOIN TABLE b ON a.i = b.id WHERE a.g = 1
whole: SELECT a.id, b.id, b.s FROM TABLE a, TABLE b WHERE a.j = b.g AND b.id < 20 AND a.s > b.s
whole: SELECT a.id, b.id FROM TABLE a JOIN TABLE b ON a.n = b.n
whole: SELECT a.id, b.id FROM TABLE a JOIN TABLE b ON a.n = b.i AND a.b = b.b
whole: SELECT a.id, b.id, a.s FROM TABLE a JOIN TABLE b ON a.s = b.s WHERE a.s <> '' OR b.g = 2
whole: SELECT a.id, b.id FROM TABLE a JOIN TABLE b ON a.t = b.d
whole: SELECT a.id, b.id FROM TABLE a JOIN TABLE b ON a.g + 1 = b.g AND a.id < 9
whole: SELECT a.id, b.s, b.n FROM TABLE a LEFT JOIN TABLE b ON a.o_x = b.id WHERE a.i IS NOT NULL
whole: SELECT a.id, b.id FROM TABLE a LEFT JOIN TABLE b ON a.i = b.i AND b.g = 3
whole: SELECT a.id, b.id FROM TABLE a LEFT JOIN TABLE b ON a.n = b.n WHERE b.id IS NULL
whole: SELECT a.id FROM TABLE a LEFT JOIN TABLE b ON a.i = b.id WHERE b.g IS NULL OR b.g = 1
whole: SELECT count(*), count(b.id), sum(b.n), min(b.s) FROM TABLE a LEFT JOIN TABLE b ON a.i = b.id
whole: SELECT a.g, count(*), sum(b.n), count(DISTINCT b.s) FROM TABLE a JOIN TABLE b ON a.g = b.g GROUP BY a.g
whole: SELECT a.g, c.s, sum(b.n * 2) FROM TABLE a JOIN TABLE b ON a.i = b.id JOIN TABLE c ON b.g = c.id GROUP BY a.g, c.s ORDER BY a.g, c.s LIMIT 7
whole: SELECT a.id, b.id, c.id FROM TABLE a LEFT JOIN TABLE b ON a.o_x = b.id LEFT JOIN TABLE c ON b.i = c.id WHERE a.id < 30
whole: SELECT a.id, c.id FROM TABLE a LEFT JOIN TABLE b ON a.o_x = b.id JOIN TABLE c ON b.g = c.id
whole: SELECT DISTINCT a.s, b.g FROM TABLE a JOIN TABLE b ON a.s = b.s
whole: SELECT a.id, b.id FROM TABLE a JOIN TABLE b ON a.g = b.id ORDER BY a.id DESC, b.id LIMIT 5 OFFSET 3
SELECT a.id, b.id FROM TABLE a JOIN TABLE b ON a.i > b.id WHERE a.id < 5
SELECT a.id, b.id FROM TABLE a JOIN TABLE b ON a.f = b.f
SELECT a.id, b.id FROM TABLE a JOIN TABLE b ON a.u = b.n
SELECT a.id, b.id FROM TABLE a LEFT JOIN TABLE b ON a.i = b.id AND a.g = 1
SELECT a.id, b.id FROM TABLE a FULL JOIN TABLE b ON a.i = b.id
SELECT a.id, b.id FROM TABLE a RIGHT JOIN TABLE b ON a.i = b.id
SELECT count(*) FROM TABLE a CROSS JOIN TABLE b WHERE a.id < 3 AND b.id < 4
SELECT a.id FROM TABLE a JOIN (SELECT i FROM TABLE WHERE g = 1) b ON a.id = b.i
-- semi-joins and anti-joins; the trap of NULL in NOT IN
whole: SELECT count(*) FROM TABLE WHERE EXISTS (SELECT 1 FROM TABLE x WHERE x.id = TABLE.i)
whole: SELECT id FROM TABLE a WHERE EXISTS (SELECT 1 FROM TABLE x WHERE x.i = a.g AND x.n > 1)
whole: SELECT id FROM TABLE a WHERE NOT EXISTS (SELECT 1 FROM TABLE x WHERE x.i = a.g AND x.s = a.s)
whole: SELECT id FROM TABLE WHERE g IN (SELECT g FROM TABLE WHERE id < 3)
whole: SELECT id FROM TABLE WHERE i IN (SELECT i FROM TABLE WHERE id < 9) AND g > 1
whole: SELECT id FROM TABLE WHERE i NOT IN (SELECT i FROM TABLE WHERE id < 9)
whole: SELECT id FROM TABLE WHERE i NOT IN (SELECT g FROM TABLE WHERE id < 9)
whole: SELECT id FROM TABLE WHERE i NOT IN (SELECT g FROM TABLE WHERE id < 0)
whole: SELECT id FROM TABLE WHERE NOT i NOT IN (SELECT o_x FROM TABLE)
whole: SELECT id FROM TABLE a WHERE a.n NOT IN (SELECT x.n FROM TABLE x WHERE x.g = a.g AND x.id <> 4)
whole: SELECT g, count(*) FROM TABLE WHERE v IN (SELECT s FROM TABLE WHERE g = 2) GROUP BY g
whole: SELECT a.id FROM TABLE a JOIN TABLE b ON a.g = b.id WHERE b.i IN (SELECT x.i FROM TABLE x)
SELECT id FROM TABLE WHERE i IN (SELECT g FROM TABLE WHERE id < 9) OR g = 1
SELECT id FROM TABLE WHERE i > (SELECT avg(i) FROM TABLE WHERE i < 1000)
SELECT id FROM TABLE a WHERE EXISTS (SELECT 1 FROM TABLE x WHERE x.i > a.i AND x.g = a.g)
SELECT id FROM TABLE WHERE EXISTS (SELECT 1 FROM TABLE x WHERE x.id < 0)
SELECT id FROM TABLE WHERE (g, i) IN (SELECT g, i FROM TABLE WHERE id < 9)
SELECT id FROM TABLE WHERE i IN (SELECT max(i) FROM TABLE)
-- windows
whole: SELECT id, rank() OVER (PARTITION BY g ORDER BY i) FROM TABLE WHERE id < 40
whole: SELECT id, rank() OVER (ORDER BY f DESC), dense_rank() OVER (ORDER BY n) FROM TABLE
whole: SELECT id, rank() OVER (PARTITION BY b ORDER BY s NULLS FIRST, t NULLS FIRST) FROM TABLE
whole: SELECT id, row_number() OVER (PARTITION BY g ORDER BY i DESC NULLS LAST, id DESC) AS r FROM TABLE ORDER BY r, id LIMIT 20
whole: SELECT id, sum(n) OVER (PARTITION BY g), count(*) OVER (), min(s) OVER (PARTITION BY b, g), max(n) OVER (PARTITION BY g % 2) FROM TABLE
whole: SELECT id, rank() OVER (ORDER BY n * -1) * 2 FROM TABLE
SELECT id, sum(n) OVER (PARTITION BY g ORDER BY id) FROM TABLE
SELECT id, rank() OVER (ORDER BY g, id DESC) FROM TABLE
SELECT id, dense_rank() OVER (ORDER BY u) FROM TABLE
SELECT id, lag(i) OVER (ORDER BY id) FROM TABLE
SELECT g, rank() OVER (ORDER BY count(*)) FROM TABLE GROUP BY g
SELECT id, avg(j) OVER (PARTITION BY g) FROM TABLE WHERE j < 1000
-- sets: here, over what the source filtered
SELECT i FROM TABLE WHERE g = 1 UNION SELECT i FROM TABLE WHERE g = 2
-- casts of texts to text; names in several places
whole: SELECT id, CAST(v AS text) FROM TABLE WHERE CAST(v AS text) = 'a'
whole: SELECT CAST(v AS text), count(*) FROM TABLE GROUP BY CAST(v AS text)
whole: SELECT DISTINCT CAST(v AS text) AS x FROM TABLE ORDER BY x DESC LIMIT 5
whole: SELECT max(v), min(CAST(v AS text)) FROM TABLE
whole: SELECT g AS s, count(*) AS g FROM TABLE GROUP BY TABLE.g ORDER BY s
whole: SELECT s AS id, id AS s FROM TABLE WHERE s = 'a' ORDER BY TABLE.id LIMIT 3
SELECT id, CAST(i AS text) FROM TABLE WHERE CAST(id AS text) = '7'
SELECT CAST(v AS character varying(1)) FROM TABLE WHERE id < 9
SELECT count(*) FROM TABLE WHERE i = -9223372036854775808 OR i = 9223372036854775807
SELECT count(*) FROM TABLE WHERE f = 'NaN' OR f = '-Infinity'
SELECT count(*) FROM TABLE WHERE u = 'NaN'
SELECT count(*) FROM TABLE WHERE t = 'infinity' OR d = '-infinity'
SELECT count(*) FROM TABLE WHERE i IN (5, NULL)
SELECT count(*) FROM TABLE WHERE i NOT IN (5, NULL)
SELECT count(*) FROM TABLE WHERE s BETWEEN SYMMETRIC 'b' AND 'a'
SELECT count(*) FROM TABLE WHERE s LIKE 'a^%b%' ESCAPE '^'
SELECT count(*) FROM TABLE WHERE i IS DISTINCT FROM 5
SELECT count(*) FROM TABLE WHERE (i, g) = (5, 0)
SELECT count(*), sum(DISTINCT i) FROM TABLE
SELECT g, string_agg(dollar, ',' ORDER BY id) FROM TABLE GROUP BY g
SELECT count(*) FROM TABLE WHERE i = 5.0 AND n = 1.50000
SELECT count(*) FROM TABLE WHERE j = 7::smallint OR n = 7::bigint OR f = 7::double precision
