SELECT l_flag, sum(l_quantity), sum(l_price), sum(l_price * (1 - l_discount)), avg(l_quantity), avg(l_price), avg(l_discount), count(*) FROM lineitem WHERE l_shipped <= date '2024-12-01' GROUP BY l_flag ORDER BY l_flag
SELECT l_flag, sum(l_price * (1 - l_discount) * (1 + l_discount)) FROM lineitem GROUP BY 1
SELECT sum(l_price * l_discount) AS revenue FROM lineitem WHERE l_shipped >= date '2024-01-01' AND l_shipped < date '2024-01-01' + interval '6 months' AND l_discount BETWEEN 0.03 AND 0.07 AND l_quantity < 24
SELECT o_id, sum(l_price * (1 - l_discount)) AS revenue, o_date FROM customer, orders, lineitem WHERE c_segment = 'BUILDING' AND c_id = o_customer AND l_order = o_id AND o_date < date '2024-09-15' AND l_shipped > date '2024-03-15' GROUP BY o_id, o_date ORDER BY revenue DESC, o_date, o_id LIMIT 10
SELECT o_priority, count(*) FROM orders WHERE o_date >= date '2024-07-01' AND o_date < date '2024-10-01' AND EXISTS (SELECT * FROM lineitem WHERE l_order = o_id AND l_shipped < date '2024-12-01') GROUP BY o_priority ORDER BY o_priority
SELECT n_name, sum(l_price * (1 - l_discount)) AS revenue FROM customer, orders, lineitem, supplier, nation WHERE c_id = o_customer AND l_order = o_id AND l_supplier = s_id AND s_nation = n_id AND n_region = 1 GROUP BY n_name ORDER BY revenue DESC
SELECT n_name, extract(year FROM o_date) AS y, sum(l_price) FROM orders, lineitem, supplier, nation WHERE o_id = l_order AND s_id = l_supplier AND n_id = s_nation GROUP BY n_name, y ORDER BY n_name, y DESC
SELECT p_brand, p_size, count(DISTINCT l_supplier) AS suppliers FROM part JOIN lineitem ON p_id = l_part WHERE p_brand <> 'Brand#3' AND p_size IN (1, 5, 9, 14, 19, 23) GROUP BY p_brand, p_size ORDER BY suppliers DESC, p_brand, p_size
SELECT sum(l_price) / 7.0 AS yearly FROM lineitem, part WHERE p_id = l_part AND p_brand = 'Brand#2' AND l_quantity < (SELECT 0.8 * avg(l_quantity) FROM lineitem WHERE l_part = p_id)
SELECT 100.00 * sum(CASE WHEN p_name LIKE 'part steel%' THEN l_price * (1 - l_discount) ELSE 0 END) / sum(l_price * (1 - l_discount)) FROM lineitem, part WHERE l_part = p_id AND l_shipped >= date '2024-02-01'
SELECT c_count, count(*) AS custdist FROM (SELECT c_id, count(o_id) AS c_count FROM customer LEFT JOIN orders ON c_id = o_customer AND o_priority <> '1-URGENT' GROUP BY c_id) AS c_orders GROUP BY c_count ORDER BY custdist DESC, c_count DESC
SELECT l_mode, sum(CASE WHEN o_priority = '1-URGENT' OR o_priority = '2-HIGH' THEN 1 ELSE 0 END) AS high, sum(CASE WHEN o_priority <> '1-URGENT' AND o_priority <> '2-HIGH' THEN 1 ELSE 0 END) AS low FROM orders, lineitem WHERE o_id = l_order AND l_mode IN ('AIR', 'SHIP') GROUP BY l_mode ORDER BY l_mode
WITH revenue AS (SELECT l_supplier AS supplier, sum(l_price * (1 - l_discount)) AS total FROM lineitem GROUP BY l_supplier) SELECT s_id, s_name, total FROM supplier, revenue WHERE s_id = supplier AND total = (SELECT max(total) FROM revenue) ORDER BY s_id
SELECT substring(c_name FROM 1 FOR 2) AS code, count(*), sum(c_balance) FROM customer WHERE c_balance > (SELECT avg(c_balance) FROM customer WHERE c_balance > 0.00) AND NOT EXISTS (SELECT * FROM orders WHERE o_customer = c_id) GROUP BY code
SELECT s_name, count(*) FROM supplier, lineitem l1, orders WHERE s_id = l1.l_supplier AND o_id = l1.l_order AND o_status = 'F' AND EXISTS (SELECT * FROM lineitem l2 WHERE l2.l_order = l1.l_order AND l2.l_supplier <> l1.l_supplier) GROUP BY s_name ORDER BY 2 DESC, 1 LIMIT 100
SELECT c_name, c_id, o_id, o_date, o_total, sum(l_quantity) FROM customer, orders, lineitem WHERE o_id IN (SELECT l_order FROM lineitem GROUP BY l_order HAVING sum(l_quantity) > 100) AND c_id = o_customer AND o_id = l_order GROUP BY c_name, c_id, o_id, o_date, o_total ORDER BY o_total DESC, o_date LIMIT 100
SELECT count(*) FROM event WHERE e_value > 2
SELECT count(*) FROM event WHERE e_value > 2::numeric
SELECT count(*) FROM event WHERE e_value > CAST(2 AS DECIMAL)
SELECT count(*) FROM event WHERE e_value > 2.5::numeric AND e_value < 7.25::numeric(10,2)
SELECT e_kind, count(*), avg(e_value), sum(e_value), min(e_value), max(e_value) FROM event GROUP BY e_kind
SELECT e_kind, round(avg(e_value), 2) FROM event GROUP BY 1 ORDER BY 1
SELECT p_size, count(*), avg(p_retail) FROM part GROUP BY 1
SELECT p_size, avg(p_retail) AS a FROM part GROUP BY 1 ORDER BY a DESC NULLS LAST, 1 LIMIT 3
SELECT p_brand, avg(p_retail) FROM part GROUP BY p_brand HAVING avg(p_retail) > 1400
SELECT p_retail * 1.19 AS gross, round(p_retail * 1.19, 2), p_retail + p_size, p_retail - 0.5, -p_retail FROM part
SELECT p_retail / 3, p_retail / p_size, p_size / 4, p_size % 4, p_retail / 7.5 FROM part
SELECT sum(p_retail) / count(*), sum(p_retail * p_size), avg(p_size), stddev(p_size), variance(p_retail) FROM part
SELECT date_trunc('month', e_at) AS m, count(*), sum(e_value) FROM event GROUP BY 1 ORDER BY 1
SELECT date_trunc('week', o_date) AS w, count(*) FROM orders GROUP BY 1
SELECT extract(month FROM e_at) AS m, extract(dow FROM e_at), count(*) FROM event GROUP BY 1, 2
SELECT e_at::date AS d, count(*) FROM event WHERE e_at >= '2024-03-10' AND e_at < '2024-04-10' GROUP BY d ORDER BY d LIMIT 7
SELECT e_id, e_at + interval '1 day', e_at - interval '90 minutes', age(e_at, timestamp '2024-01-01') FROM event WHERE e_id < 20
SELECT l_shipped - o_date AS days, count(*) FROM lineitem JOIN orders ON l_order = o_id GROUP BY 1 HAVING count(*) > 1
SELECT o_date + 30, o_date - 1, o_date + interval '1 month', o_date - date '2024-01-01' FROM orders
SELECT to_char(o_date, 'YYYY-MM') AS ym, count(*) FROM orders GROUP BY 1 ORDER BY 1
SELECT e_at::text, e_ok::text, e_value::text, e_id::text FROM event WHERE e_id < 30
SELECT upper(e_kind), lower(e_kind), initcap(e_kind), length(e_kind), count(*) FROM event GROUP BY e_kind
SELECT e_kind || '-' || coalesce("Note", '?') AS k, count(*) FROM event GROUP BY 1
SELECT concat(e_kind, e_id, e_ok), concat_ws('/', e_kind, "Note") FROM event WHERE e_id < 25
SELECT e_id FROM event WHERE e_kind ILIKE 'V%' OR e_kind LIKE '%\_%' OR e_kind ~ '^b'
SELECT e_id FROM event WHERE e_kind NOT LIKE 'v%' AND "Note" IS NOT NULL AND NOT (e_ok AND e_value > 0)
SELECT e_id, position('i' IN e_kind), left(e_kind, 2), right(e_kind, 2), replace(e_kind, 'i', '_'), split_part(e_kind, ',', 1), reverse(e_kind) FROM event
SELECT trim('  ' || e_kind || ' '), lpad(e_kind, 5, '*'), repeat("Note", 2), md5(e_kind) FROM event
SELECT e_ok, count(*), count(e_customer), count(DISTINCT e_customer), bool_and(e_ok), bool_or(e_ok) FROM event GROUP BY e_ok
SELECT string_agg(e_kind, ',' ORDER BY e_id), array_agg(e_id ORDER BY e_id DESC) FROM event WHERE e_id < 15
SELECT count(*) FILTER (WHERE e_ok), sum(e_value) FILTER (WHERE e_kind = 'buy'), avg(e_value) FILTER (WHERE NOT e_ok) FROM event
SELECT CASE WHEN e_value > 5 THEN 'high' WHEN e_value > 0 THEN 'low' WHEN e_value IS NULL THEN 'none' ELSE 'negative' END AS band, count(*) FROM event GROUP BY 1
SELECT coalesce(e_value, 0), nullif(e_kind, 'view'), greatest(e_value, 0), least(e_customer, 10) FROM event
SELECT c_name, (SELECT count(*) FROM event WHERE e_customer = c_id) AS events, (SELECT max(e_at) FROM event WHERE e_customer = c_id) FROM customer ORDER BY events DESC, c_id LIMIT 5
SELECT c.c_name, e.e_kind FROM customer c LEFT JOIN event e ON e.e_customer = c.c_id AND e.e_ok WHERE c.c_segment = 'MACHINERY'
SELECT c.c_id, e.e_id FROM customer c FULL JOIN event e ON e.e_customer = c.c_id WHERE c.c_id IS NULL OR e.e_id IS NULL
SELECT c.c_id, n.n_name, s.s_name FROM customer c LEFT JOIN nation n ON n.n_id = c.c_nation LEFT JOIN supplier s ON s.s_nation = n.n_id
SELECT n.n_name, count(c.c_id), count(s.s_id) FROM nation n LEFT JOIN customer c ON c.c_nation = n.n_id LEFT JOIN supplier s ON s.s_nation = n.n_id GROUP BY n.n_name
SELECT n.n_name FROM nation n WHERE n.n_id NOT IN (SELECT c_nation FROM customer WHERE c_nation IS NOT NULL)
SELECT n.n_name FROM nation n WHERE n.n_id NOT IN (SELECT c_nation FROM customer)
SELECT c_id, e_id, row_number() OVER (PARTITION BY c_id ORDER BY e_at DESC, e_id) AS rn FROM customer JOIN event ON e_customer = c_id
SELECT * FROM (SELECT e_customer, e_id, rank() OVER (PARTITION BY e_customer ORDER BY e_value DESC NULLS LAST, e_id) AS r FROM event) q WHERE r <= 2
SELECT e_id, sum(e_value) OVER (ORDER BY e_id), avg(e_value) OVER (ORDER BY e_id ROWS BETWEEN 6 PRECEDING AND CURRENT ROW), lag(e_value) OVER (ORDER BY e_id) FROM event
SELECT e_id, e_value - lag(e_value) OVER (ORDER BY e_at, e_id) AS change, ntile(4) OVER (ORDER BY e_id), percent_rank() OVER (ORDER BY e_id) FROM event
SELECT o_customer, o_total, o_total / sum(o_total) OVER (PARTITION BY o_customer) AS share FROM orders WHERE o_total > 1000
SELECT l_flag, l_mode, sum(l_quantity) FROM lineitem GROUP BY ROLLUP (l_flag, l_mode)
SELECT l_flag, l_mode, count(*) FROM lineitem GROUP BY CUBE (l_flag, l_mode)
SELECT l_flag, l_mode, grouping(l_flag), count(*) FROM lineitem GROUP BY GROUPING SETS ((l_flag), (l_mode), ())
SELECT DISTINCT l_mode, l_flag FROM lineitem
SELECT DISTINCT ON (e_customer) e_customer, e_id, e_kind FROM event ORDER BY e_customer, e_at DESC, e_id
SELECT c_nation FROM customer UNION SELECT s_nation FROM supplier UNION SELECT n_id FROM nation
SELECT c_nation FROM customer INTERSECT SELECT s_nation FROM supplier
SELECT c_nation FROM customer EXCEPT ALL SELECT s_nation FROM supplier
SELECT 'c' AS kind, c_id AS id, c_name AS name FROM customer UNION ALL SELECT 's', s_id, s_name FROM supplier UNION ALL SELECT 'p', p_id, p_name FROM part
SELECT * FROM (SELECT 1 AS y, e_id AS id, e_kind AS k FROM event UNION ALL SELECT 2, o_id, o_priority FROM orders) u WHERE u.id < 10 AND u.y = 2
SELECT k, count(*) FROM (SELECT e_customer AS c, e_kind AS k FROM event UNION ALL SELECT o_customer, o_priority FROM orders) u WHERE c = 7 GROUP BY k
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT n.i, count(o_id) FROM n LEFT JOIN orders ON o_customer = n.i GROUP BY n.i
WITH big AS MATERIALIZED (SELECT * FROM orders WHERE o_total > 20000), ev AS (SELECT e_customer, count(*) AS k FROM event GROUP BY 1) SELECT b.o_id, ev.k, b2.o_id FROM big b JOIN ev ON ev.e_customer = b.o_customer LEFT JOIN big b2 ON b2.o_customer = b.o_customer AND b2.o_id > b.o_id
SELECT c_segment, count(*) FROM customer GROUP BY c_segment ORDER BY c_segment
SELECT o_status, count(*), max(o_status) FROM orders GROUP BY o_status
SELECT o_id FROM orders WHERE o_status = 'F' AND o_status < 'O'
SELECT l_weight, l_weight * 2, l_weight + l_quantity, l_weight::numeric, round(l_weight), l_weight::integer, l_weight > 100 FROM lineitem WHERE l_order < 30
SELECT min(l_weight), max(l_weight), sum(l_weight), avg(l_weight) FROM lineitem
SELECT l_quantity::integer, l_price::bigint, l_price::double precision, l_price::text, l_quantity::numeric(10,1) FROM lineitem WHERE l_order < 30
SELECT sum(l_order), avg(l_order), sum(l_part), avg(l_part), max(l_order) FROM lineitem
SELECT l_order, l_price FROM lineitem ORDER BY l_price DESC, l_order LIMIT 5
SELECT l_order, l_price FROM lineitem ORDER BY l_shipped DESC NULLS LAST, l_price, l_order LIMIT 5 OFFSET 3
SELECT count(*) FROM (SELECT * FROM lineitem LIMIT 50) q
SELECT count(*), count(l_shipped) FROM lineitem
SELECT e_id, e_at FROM event WHERE e_at BETWEEN timestamp '2024-03-05' AND timestamp '2024-03-09 12:00:00'
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY e_value), mode() WITHIN GROUP (ORDER BY e_kind) FROM event
SELECT o.o_id, x.k FROM orders o CROSS JOIN LATERAL (SELECT count(*) AS k FROM lineitem WHERE l_order = o.o_id) x WHERE o.o_id < 12
SELECT v.name, count(*) FROM event JOIN (VALUES ('view', 'Looked'), ('buy', 'Bought')) AS v(kind, name) ON v.kind = e_kind GROUP BY 1
SELECT m::date, count(e_id) FROM generate_series(timestamp '2024-03-01', timestamp '2024-03-05', interval '1 day') m LEFT JOIN event ON e_at::date = m::date GROUP BY 1
SELECT count(*) FROM customer c JOIN orders o ON o.o_customer = c.c_id JOIN lineitem l ON l.l_order = o.o_id JOIN part p ON p.p_id = l.l_part JOIN supplier s ON s.s_id = l.l_supplier JOIN nation n ON n.n_id = s.s_nation JOIN event e ON e.e_customer = c.c_id
SELECT n_name, p_brand, sum(l_price) FROM lineitem JOIN part ON p_id = l_part JOIN supplier ON s_id = l_supplier JOIN nation ON n_id = s_nation WHERE p_retail > 1000 AND n_name <> 'PERU' GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 5
SELECT n_name COLLATE "C" FROM nation ORDER BY 1
SELECT n_name, upper(n_name) FROM nation WHERE n_name > 'G' ORDER BY n_name DESC
SELECT (c_balance > 0) IS TRUE, (c_balance > 0) IS UNKNOWN, count(*) FROM customer GROUP BY 1, 2
SELECT e_customer IS DISTINCT FROM 5, count(*) FROM event GROUP BY 1
SELECT e_value::integer, round(e_value), round(e_value, 1), trunc(e_value, 1), ceil(e_value), floor(e_value), abs(e_value), sign(e_value), e_value % 2 FROM event
SELECT sum(e_value * e_value), sum(e_value * 1.000), avg(e_value * 2), sum(e_value) * 2 FROM event
SELECT c_id, sum(o_total) AS s FROM customer JOIN orders ON o_customer = c_id GROUP BY c_id HAVING sum(o_total) > (SELECT avg(o_total) * 3 FROM orders) ORDER BY s DESC
SELECT count(*) FROM event a JOIN event b ON a.e_customer = b.e_customer AND a.e_id < b.e_id
SELECT a.l_order, b.o_total FROM lineitem a JOIN orders b ON a.l_order = b.o_id AND a.l_price > b.o_total WHERE b.o_date IS NOT NULL
SELECT e_id FROM event WHERE e_customer IN (SELECT c_id FROM customer WHERE c_nation IN (SELECT n_id FROM nation WHERE n_region = 2))
SELECT e_id FROM event WHERE (e_customer, e_ok) IN (SELECT c_id, true FROM customer)
SELECT c_id FROM customer WHERE c_balance > ALL (SELECT e_value * 100 FROM event WHERE e_value IS NOT NULL)
SELECT c_id FROM customer WHERE c_balance = ANY (SELECT s_balance FROM supplier)
SELECT json_agg(n_name ORDER BY n_id), count(*) FROM nation
SELECT row_to_json(n), jsonb_build_object('a', n_id) FROM nation n
SELECT 7 / 2, 7 % 3, 7.0 / 2, 2 ^ 3, 5 / 2.0, '2024-02-30' IS NULL
SELECT sqrt(p_size), power(p_size, 2), exp(p_size::float8 / 10), ln(p_size), log(p_size) FROM part WHERE p_size > 0
SELECT to_date('2024-03-01', 'YYYY-MM-DD') AS d, count(*) FROM event
SELECT regexp_replace(p_name, '[0-9]+', '#'), p_name ~* 'STEEL', char_length(p_name), octet_length(n_name) FROM part, nation WHERE p_id = n_id
SELECT date_part('year', e_at), date_part('epoch', e_at) FROM event WHERE e_id < 5
SELECT make_date(2024, 1, e_id), justify_days(interval '40 days') FROM event WHERE e_id < 20
SELECT p_id FROM part WHERE p_retail > 1200 AND p_size = 10 OR p_brand = 'Brand#1' ORDER BY p_id
SELECT max(p_name), min(p_name), max(p_brand) FROM part
SELECT id, k FROM (SELECT e_id AS id, e_kind AS k FROM event UNION ALL SELECT o_id, o_priority FROM orders) u WHERE u.id < 10
SELECT id, k FROM (SELECT e_id AS id, e_kind AS k FROM event EXCEPT SELECT o_id, o_priority FROM orders UNION SELECT 3, 'x') u WHERE u.id < 10 AND k <> 'buy'
SELECT k, count(*) FROM (SELECT c_id AS k FROM customer UNION SELECT e_id FROM event) u WHERE u.k = 7.0 GROUP BY k
SELECT count(*) FROM orders WHERE EXISTS (SELECT 1 FROM supplier i WHERE i.s_nation = o_customer AND EXISTS (SELECT 1 FROM supplier k WHERE k.s_balance IS NULL))
SELECT o_id FROM orders WHERE EXISTS (SELECT 1 FROM supplier i WHERE i.s_nation = o_customer AND i.s_nation IN (SELECT k.s_nation FROM supplier k WHERE k.s_nation = o_customer)) ORDER BY o_id
