-- shapes that stock postgres_fdw never ships
SELECT DISTINCT o_status FROM orders
SELECT o_id FROM orders o WHERE NOT EXISTS (SELECT FROM lineitem WHERE l_order = o.o_id)
SELECT o_id FROM orders WHERE o_id NOT IN (SELECT l_order FROM lineitem)
SELECT * FROM (SELECT e_id, row_number() OVER (PARTITION BY e_customer ORDER BY e_at, e_id) AS place FROM event) e WHERE place = 1
SELECT o_id FROM orders UNION SELECT e_id FROM event
SELECT n_id FROM nation INTERSECT ALL SELECT c_nation FROM customer
(SELECT o_id FROM orders ORDER BY o_id LIMIT 3) UNION ALL (SELECT e_id FROM event ORDER BY e_id DESC LIMIT 2) ORDER BY 1
SELECT e_kind, e_ok, count(*), grouping(e_kind, e_ok) FROM event GROUP BY CUBE (e_kind, e_ok)
SELECT o_total, o_id FROM orders ORDER BY o_total DESC NULLS LAST FETCH FIRST 5 ROWS WITH TIES
SELECT o_status, o_id FROM orders ORDER BY o_status FETCH FIRST 1 ROW WITH TIES
WITH a AS (SELECT o_customer AS c, count(*) AS n FROM orders GROUP BY 1) SELECT x.c, x.n, y.n FROM a x JOIN a y ON x.c = y.c + 1
WITH a AS MATERIALIZED (SELECT * FROM nation), b AS NOT MATERIALIZED (SELECT * FROM a WHERE n_id > 2) SELECT count(*) FROM a, b
SELECT c_id, (SELECT max(o_total) FROM orders WHERE o_customer = c_id) FROM customer
SELECT n_name, x.* FROM nation LEFT JOIN LATERAL (SELECT c_name, c_balance FROM customer WHERE c_nation = n_id ORDER BY c_balance DESC NULLS LAST, c_id LIMIT 2) x ON true
SELECT * FROM orders NATURAL JOIN (SELECT o_id, count(*) AS lines FROM orders JOIN lineitem ON l_order = o_id GROUP BY 1) x
SELECT o_id, l_part FROM orders JOIN (SELECT l_order AS o_id, l_part FROM lineitem) l USING (o_id)
SELECT k, a.n, b.n FROM (SELECT c_nation AS k, count(*) AS n FROM customer GROUP BY 1) a FULL JOIN (SELECT s_nation AS k, count(*) AS n FROM supplier GROUP BY 1) b USING (k)
SELECT m, count(o_id) FROM generate_series(1, 12) AS m LEFT JOIN orders ON extract(month FROM o_date) = m GROUP BY m
SELECT d::date, count(o_id) FROM generate_series(timestamp '2024-01-01', timestamp '2024-03-01', interval '1 month') AS d LEFT JOIN orders ON date_trunc('month', o_date) = d GROUP BY 1
SELECT v.a, v.b, count(o_id) FROM (VALUES (1, 'O'), (2, 'F')) AS v (a, b) LEFT JOIN orders ON o_status = b GROUP BY 1, 2
SELECT count(*) FILTER (WHERE o_status = 'O') * 100.0 / count(*) FROM orders
SELECT string_agg(DISTINCT e_kind, ',' ORDER BY e_kind) FROM event
SELECT sum(o_total) OVER w, avg(o_total) OVER w, first_value(o_id) OVER w FROM orders WINDOW w AS (PARTITION BY o_status ORDER BY o_id ROWS BETWEEN 2 PRECEDING AND 1 FOLLOWING)
SELECT o_id, count(*) OVER (ORDER BY o_date RANGE BETWEEN interval '7 days' PRECEDING AND CURRENT ROW EXCLUDE TIES) FROM orders WHERE o_date IS NOT NULL
SELECT o_id, dense_rank() OVER (ORDER BY o_priority NULLS FIRST), cume_dist() OVER (ORDER BY o_priority DESC) FROM orders
SELECT DISTINCT ON (o_customer) o_customer, o_id, o_total FROM orders ORDER BY o_customer, o_total DESC NULLS LAST, o_id
SELECT array_agg(DISTINCT o_status ORDER BY o_status), array(SELECT n_id FROM nation ORDER BY 1) FROM orders
SELECT percentile_disc(0.25) WITHIN GROUP (ORDER BY o_total), percentile_cont(ARRAY[0.1, 0.9]) WITHIN GROUP (ORDER BY o_total) FROM orders
-- expressions as PostgreSQL writes them
SELECT e_id, e_kind LIKE 'v%', e_kind NOT LIKE '%\_%', e_kind ILIKE 'V_EW', e_kind ~ '^v', e_kind !~* 'B', e_kind SIMILAR TO '(view|buy)' FROM event
SELECT e_id FROM event WHERE e_kind LIKE '%!_%' ESCAPE '!' OR e_kind LIKE 'a\,%'
SELECT e_id, 'it''s', 'back\slash', E'tab\there', 'ünï', '' FROM event WHERE "Note" = 'xx'
SELECT "Note" AS "No te", count(*) AS "select", max(e_id) AS "?column?" FROM event GROUP BY 1
SELECT 1, 1, 2.50, 'x', NULL, true, date '2024-02-29', count(*) FROM nation
SELECT e_id, e_value BETWEEN SYMMETRIC 3 AND -3, e_value IS DISTINCT FROM 1.5, e_ok IS NOT TRUE, e_ok IS UNKNOWN FROM event
SELECT o_id, CASE o_status WHEN 'O' THEN 'open' WHEN 'F' THEN 'finished' ELSE upper(o_priority) END, CASE WHEN o_total > 1000 THEN o_total END FROM orders
SELECT o_id, coalesce(o_priority, o_status::text, '-'), nullif(o_status, 'O'), greatest(o_id, o_customer, 7), least(o_total, 100.5) FROM orders
SELECT o_id::text, o_total::text, o_date::text, (o_id > 5)::text, o_total::integer, o_total::real, o_status::varchar(3), o_id::numeric(9,1) FROM orders
SELECT concat(o_id, '/', o_status, o_date), concat_ws('-', o_priority, o_customer), format('%s', 3) FROM orders
SELECT substring(e_kind FROM 2 FOR 2), substring(e_kind, 2), overlay(e_kind PLACING 'xx' FROM 2), position('i' IN e_kind), trim(BOTH 'v' FROM e_kind), translate(e_kind, 'iw', 'IW') FROM event
SELECT left(e_kind, -1), lpad(e_kind, 6, '.'), strpos(e_kind, 'e'), ascii(e_kind), chr(65 + e_id % 26), starts_with(e_kind, 'v'), encode(convert_to(e_kind, 'UTF8'), 'hex') FROM event
SELECT extract(year FROM o_date), extract(week FROM o_date), extract(isodow FROM o_date), extract(epoch FROM o_date), date_part('quarter', o_date), date_trunc('quarter', o_date::timestamp) FROM orders
SELECT s_since + interval '1 mon 2 days 03:04:05', s_since - timestamp '2020-01-01', s_since::date, s_since::time, age(s_since, timestamp '2019-01-01'), date_bin('15 minutes', s_since, timestamp '2001-01-01') FROM supplier
SELECT o_date + 7, o_date - 7, o_date - date '2024-01-01', o_date + time '10:00', (o_date, interval '10 days') OVERLAPS (date '2024-03-01', date '2024-04-01') FROM orders
SELECT to_char(o_date, 'DD Mon YYYY'), to_char(o_total, 'FM999G990D00'), to_char(o_id, '0000'), to_char(s_since, 'HH24:MI:SS') FROM orders LEFT JOIN supplier ON s_id = o_id
SELECT round(o_total / 3, 4), o_id / 7, o_id % 7, -o_id, o_id ^ 2, |/ o_id, @ o_total, o_id & 5, o_id | 8, o_id # 3, o_id << 2, div(o_total, 7), mod(o_id, 7), width_bucket(o_total, 0, 50000, 5) FROM orders
SELECT l_weight / 3, round(l_weight), trunc(l_weight), sqrt(abs(l_weight)), l_weight::numeric(10,2), l_weight = 'NaN', 1e10 * l_weight FROM lineitem
SELECT o_id FROM orders WHERE o_id IN (1, 5, 9) OR o_id = ANY ('{20,21}'::bigint[]) OR o_id = ANY (ARRAY[30, 31]) OR o_id <> ALL (ARRAY[1, 2]) AND o_id < 4
SELECT o_id FROM orders WHERE (o_customer, o_status) IN (SELECT c_id, 'O' FROM customer) AND (o_id, o_status) IN ((1, 'O'), (2, 'F'), (8, 'P'))
SELECT o_id, ARRAY[o_id, 2], ARRAY[o_status, 'x'] FROM orders WHERE o_id < 5
SELECT o_status COLLATE "C", min(o_priority COLLATE "C") FROM orders GROUP BY 1 ORDER BY 1
SELECT o_date = '2024-02-03', o_date > '2024-02-03'::timestamp, o_date < current_date, o_date < now(), o_date >= timestamp '2024-05-05' FROM orders
SELECT o_id, current_date - current_date, now() > '2020-01-01', pi() > 3 FROM orders LIMIT 3 OFFSET 2
SELECT count(*) FROM orders LIMIT ALL
SELECT o_id FROM orders ORDER BY o_total / 2 DESC NULLS LAST, o_id + 1 LIMIT 4
SELECT o_status AS s, count(*) AS n FROM orders GROUP BY s HAVING count(*) > 3 AND max(o_total) IS NOT NULL ORDER BY n DESC, s
SELECT gen.x, count(*) FROM orders, (SELECT 1 AS x UNION ALL SELECT 2) gen GROUP BY 1
SELECT jsonb_build_object('a', 1) -> 'a', count(*) FROM orders
SELECT avg(o_total), stddev_samp(o_total), corr(o_id, o_customer), bit_or(o_id), every(o_id > 0), var_pop(o_customer) FROM orders
SELECT max(e_at), min(e_at), max(e_kind), min("Note"), sum(e_value), avg(e_at - timestamp '2024-01-01') FROM event
-- what depends on the session's time zone
SELECT date_trunc('month', o_date) AS m, count(*) FROM orders GROUP BY 1
SELECT date_trunc('day', e_at::timestamptz), count(*) FROM event GROUP BY 1
SELECT e_at::timestamptz, e_at::timestamptz::date, extract(hour FROM e_at::timestamptz), (e_at::timestamptz)::text FROM event WHERE e_id < 30
SELECT e_id FROM event WHERE e_at > '2024-03-31 00:30:00+00'::timestamptz AND e_at::timestamptz < date '2024-05-01'
SELECT e_at::timestamptz + interval '1 day', e_at::timestamptz - interval '1 month', e_at::timestamptz AT TIME ZONE 'Asia/Tokyo', e_at AT TIME ZONE 'America/New_York' FROM event WHERE e_id < 40
SELECT to_char(e_at::timestamptz, 'YYYY-MM-DD HH24:MI TZH'), date_part('dow', e_at::timestamptz), concat(e_at::timestamptz) FROM event WHERE e_id < 40
SELECT min(o_date::timestamptz), max(e_at::timestamptz), count(DISTINCT date_trunc('week', o_date)) FROM orders, event WHERE o_customer = e_customer
SELECT to_date(to_char(o_date, 'YYYYMMDD'), 'YYYYMMDD'), to_timestamp(o_date::text, 'YYYY-MM-DD') FROM orders
SELECT (SELECT count(DISTINCT o_status) FROM orders), (SELECT max(n_name) FROM nation)
SELECT octet_length(''), 2 + 1 AS x, n_name, count(*) FROM nation WHERE n_id < 5 GROUP BY octet_length('a'), x, n_name ORDER BY 1, 2, 3 DESC
SELECT DISTINCT ON (1 + 1) n_id, 1 + 1 FROM nation ORDER BY 1 + 1, n_id DESC
-- errors
SELECT 1 / (o_id - o_id) FROM orders
SELECT (o_id * 1000000000000)::integer FROM orders
SELECT o_priority::integer FROM orders
SELECT (SELECT o_id FROM orders)
SELECT o_id * 9223372036854775807 FROM orders
SELECT substring(o_priority, 1, -1) FROM orders WHERE o_priority IS NOT NULL
