-- filters
SELECT id FROM numbers WHERE id = 1
SELECT id FROM numbers WHERE price BETWEEN 0 AND 100 OR rate < 0 OR NOT ok
SELECT id FROM numbers WHERE id IN (1, 2, 7, NULL) AND (price, rate) = (10.50, 0.1250)
SELECT id FROM texts WHERE name LIKE 'a%' OR name LIKE '%b' OR short NOT LIKE '%a%'
SELECT id FROM texts WHERE name ILIKE 'A%' AND upper(code) <> 'AB'
SELECT id FROM texts WHERE name ~ '^[a-z]+$' OR name ~* 'B$' OR name SIMILAR TO '(a|A)%'
SELECT id FROM numbers WHERE id::bigint * 2 > 10 AND id % 3 = 1 AND price / 2 > rate
SELECT id FROM times WHERE day > '2000-01-01' AND extract(month FROM day) = 2
SELECT id FROM times WHERE moment >= '2024-02-28 12:00:00' AND date_trunc('month', moment) = '2024-02-01'
SELECT id FROM times WHERE instant > '2024-03-31 00:00:00+00' OR instant < day
SELECT id FROM numbers WHERE id = ANY ('{1,2,7}'::integer[]) AND id <> ALL (ARRAY[2, 3])
SELECT id FROM numbers WHERE CASE WHEN ok THEN price > 1 ELSE rate > 0 END IS NOT FALSE

-- expressions in projections
SELECT id, abs(price), round(rate, 2), ceil(price), floor(rate), trunc(price, 1), sign(price), -price, mod(id, 5) FROM numbers WHERE id < 100
SELECT lower(name), upper(short), initcap(name), length(code), left(name, 2), right(name, 2), substr(name, 2, 1), reverse(name) FROM texts
SELECT trim(name), lpad(name, 5, '*'), rpad(short, 4), repeat(code, 2), replace(name, 'a', 'b'), split_part(name, '_', 1), translate(name, 'a', 'x') FROM texts
SELECT name || '-' || id, concat(name, id), concat_ws('-', id, name, code), strpos(name, 'b'), md5(name), ascii(name), octet_length(name) FROM texts
SELECT regexp_replace(name, '[a-z]', 'x', 'g'), substring(name FROM 'a.'), overlay(name PLACING 'zz' FROM 2 FOR 1), starts_with(name, 'a') FROM texts
SELECT day + 1, day - 1, day + interval '1 month', extract(year FROM day), extract(dow FROM day), to_char(day, 'YYYY-MM-DD') FROM times WHERE id <> 5
SELECT date_trunc('year', moment), moment + interval '1 day', moment::date, extract(epoch FROM moment), date_part('hour', moment), age(moment, '2000-01-01') FROM times
SELECT instant::date, extract(hour FROM instant), instant + interval '1 day', date_trunc('day', instant), to_char(instant, 'HH24:MI TZ') FROM times
SELECT instant AT TIME ZONE 'Europe/Berlin', moment AT TIME ZONE 'America/New_York' FROM times WHERE id <> 5
SELECT day::text, moment::text, instant::text, id::text, id::numeric(12,2) FROM times
SELECT double::text, single::double precision, double * 2, sqrt(abs(id)), power(id, 2), double::numeric FROM floats WHERE id NOT IN (2, 3, 4)
SELECT price::integer, rate::text, free::text, big::numeric, ok::integer, ok::text, small::bigint, id::boolean FROM numbers WHERE id = 1
SELECT coalesce(name, short, 'none'), nullif(name, 'a'), greatest(name, short), least(name, 'b'), CASE name WHEN 'a' THEN 1 ELSE 0 END FROM texts
SELECT make_date(2024, id, 1), to_date('2024-01-0' || id, 'YYYY-MM-DD'), to_hex(id), width_bucket(id, 0, 10, 5), factorial(id) FROM numbers WHERE id BETWEEN 1 AND 5
SELECT ARRAY[id, 1], (ARRAY[id, 2])[1], array_length(ARRAY[id, 3], 1), array_to_string(ARRAY[id, 4], ',') FROM numbers

-- distinct, groups, having
SELECT DISTINCT grp FROM floats
SELECT DISTINCT kind, qty FROM sales ORDER BY kind, qty LIMIT 7
SELECT DISTINCT ON (kind) kind, id FROM sales ORDER BY kind, id
SELECT kind, count(*), sum(amount), avg(amount), min(day), max(id), count(DISTINCT qty) FROM sales GROUP BY kind
SELECT extract(year FROM day), extract(month FROM day), count(*) FROM sales GROUP BY extract(year FROM day), extract(month FROM day)
SELECT upper(kind), qty % 2, sum(qty) FROM sales GROUP BY 1, 2 HAVING sum(qty) > 3 AND count(*) < 20 ORDER BY 1, 2
SELECT kind, count(*) FILTER (WHERE qty > 2), sum(amount) FILTER (WHERE item IS NULL) FROM sales GROUP BY kind
SELECT kind, qty, grouping(kind, qty), count(*) FROM sales GROUP BY ROLLUP (kind, qty)
SELECT kind, qty, count(*) FROM sales GROUP BY CUBE (kind, qty)
SELECT kind, qty, sum(amount) FROM sales GROUP BY GROUPING SETS ((kind), (qty), ())
SELECT kind, string_agg(id::text, ',' ORDER BY id DESC), array_agg(qty ORDER BY id), bool_and(qty > 0), every(qty < 9) FROM sales GROUP BY kind
SELECT kind, percentile_cont(0.5) WITHIN GROUP (ORDER BY amount), percentile_disc(0.5) WITHIN GROUP (ORDER BY qty), mode() WITHIN GROUP (ORDER BY kind) FROM sales GROUP BY kind
SELECT stddev(amount), var_pop(qty), corr(amount, qty), regr_slope(amount, qty), bit_or(qty), stddev_samp(qty) FROM sales

-- order, limit, offset
SELECT id, amount FROM sales ORDER BY amount DESC NULLS LAST, id LIMIT 5
SELECT id FROM sales ORDER BY day, kind DESC, id LIMIT 5 OFFSET 10
SELECT name FROM texts ORDER BY upper(name) NULLS FIRST, name LIMIT 4
SELECT id FROM sales LIMIT 0

-- windows
SELECT id, row_number() OVER (PARTITION BY kind ORDER BY id), rank() OVER (ORDER BY qty), dense_rank() OVER (ORDER BY qty DESC) FROM sales
SELECT id, sum(amount) OVER (PARTITION BY kind ORDER BY id ROWS BETWEEN 2 PRECEDING AND CURRENT ROW), avg(qty) OVER () FROM sales
SELECT id, lag(amount) OVER w, lead(amount, 2, 0) OVER w, first_value(id) OVER w, last_value(id) OVER w, nth_value(id, 2) OVER w FROM sales WINDOW w AS (PARTITION BY kind ORDER BY id)
SELECT id, ntile(4) OVER (ORDER BY id), percent_rank() OVER (ORDER BY qty), cume_dist() OVER (ORDER BY qty) FROM sales
SELECT kind, sum(count(*)) OVER (ORDER BY kind), rank() OVER (ORDER BY sum(amount)) FROM sales GROUP BY kind
SELECT id, count(*) OVER (ORDER BY qty RANGE BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE CURRENT ROW) FROM sales
SELECT q.id FROM (SELECT id, row_number() OVER (PARTITION BY kind ORDER BY amount DESC, id) AS n FROM sales) q WHERE q.n <= 2

-- joins
SELECT s.id, n.price FROM sales s JOIN numbers n ON n.id = s.qty
SELECT s.id, n.price FROM sales s LEFT JOIN numbers n ON n.id = s.qty AND n.ok
SELECT n.id, s.id FROM sales s RIGHT JOIN numbers n ON n.id = s.qty
SELECT n.id, t.id FROM texts t FULL JOIN numbers n ON n.id = t.ref
SELECT t.name, n.price, m.day FROM texts t JOIN numbers n ON n.id = t.ref JOIN times m ON m.id = t.id WHERE n.price > 0
SELECT kind, sum(n.price), count(*) FROM sales s JOIN numbers n ON n.id = s.qty JOIN texts t ON t.id = s.item GROUP BY kind ORDER BY 2 DESC, 1
SELECT a.id, b.id FROM floats a JOIN floats b ON a.double = b.double
SELECT a.id, b.id FROM numbers a CROSS JOIN times b WHERE a.id < b.id
SELECT a.id, b.id FROM numbers a JOIN times b USING (id)
SELECT id FROM sales s WHERE EXISTS (SELECT 1 FROM numbers n WHERE n.id = s.qty)
SELECT id FROM sales s WHERE NOT EXISTS (SELECT 1 FROM numbers n WHERE n.id = s.item AND n.ok)
SELECT id FROM sales WHERE qty IN (SELECT id FROM numbers WHERE price > 1)
SELECT id FROM sales WHERE item NOT IN (SELECT id FROM numbers)
SELECT id FROM sales WHERE item NOT IN (SELECT small FROM numbers)
SELECT id FROM sales WHERE qty > ALL (SELECT id FROM numbers WHERE id < 3) OR qty = ANY (SELECT small FROM numbers)

-- set operations
SELECT kind FROM sales UNION SELECT name FROM texts
SELECT id FROM numbers UNION ALL SELECT id FROM texts ORDER BY 1 DESC LIMIT 6
SELECT id FROM numbers INTERSECT SELECT id FROM texts
SELECT id FROM texts EXCEPT ALL SELECT qty FROM sales
(SELECT id FROM numbers ORDER BY id LIMIT 2) UNION ALL (SELECT qty FROM sales ORDER BY id LIMIT 2)

-- common table expressions and sub-queries
WITH w AS (SELECT kind, sum(amount) AS total FROM sales GROUP BY kind) SELECT a.kind, b.total FROM w a JOIN w b ON a.total >= b.total
WITH w AS MATERIALIZED (SELECT id FROM numbers WHERE ok) SELECT s.id FROM sales s JOIN w ON w.id = s.qty
WITH RECURSIVE w AS (SELECT 1 AS n UNION ALL SELECT w.n + 1 FROM w WHERE w.n < 5) SELECT w.n, t.name FROM w JOIN texts t ON t.id = w.n
SELECT id, (SELECT max(price) FROM numbers) FROM texts
SELECT id, (SELECT max(s.amount) FROM sales s WHERE s.qty = n.id) FROM numbers n
SELECT id FROM sales a WHERE amount > (SELECT avg(b.amount) FROM sales b WHERE b.kind = a.kind)
SELECT n.id, q.top FROM numbers n, LATERAL (SELECT max(s.amount) AS top FROM sales s WHERE s.qty = n.id) q
SELECT n.id, q.id FROM numbers n LEFT JOIN LATERAL (SELECT s.id FROM sales s WHERE s.qty = n.id ORDER BY s.id LIMIT 1) q ON true
SELECT v.x, t.name FROM (VALUES (1, 'one'), (2, 'two')) v(x, y) JOIN texts t ON t.id = v.x
SELECT q.c FROM (SELECT kind, count(*) AS c FROM sales GROUP BY kind) q WHERE q.c > 10
