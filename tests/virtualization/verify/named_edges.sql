-- null order
SELECT price, id FROM numbers ORDER BY 1 LIMIT 3
SELECT price, id FROM numbers ORDER BY 1 DESC LIMIT 3
SELECT price, id FROM numbers ORDER BY 1 NULLS FIRST LIMIT 2
SELECT price, id FROM numbers ORDER BY 1 DESC NULLS LAST LIMIT 2
SELECT t.name, n.price FROM texts t LEFT JOIN numbers n ON n.id = t.ref ORDER BY 1, 2 NULLS FIRST LIMIT 7
SELECT s, id FROM fitting ORDER BY 1 NULLS FIRST, 2 LIMIT 9
SELECT t, id FROM strange ORDER BY 1 DESC, 2 LIMIT 9
SELECT price, id FROM edges ORDER BY 1, 2 DESC LIMIT 12
SELECT name, id FROM edges ORDER BY 1 DESC NULLS LAST, 2 LIMIT 12 OFFSET 2
SELECT n, id FROM maria_va ORDER BY 1 DESC, 2 LIMIT 12
SELECT n, id FROM lite_va ORDER BY 1, 2 LIMIT 60
SELECT n, id FROM parquet ORDER BY 1 NULLS FIRST, 2 LIMIT 7
SELECT c_segment, c_id FROM customer ORDER BY 1 DESC, 2 LIMIT 11

-- collation and case
SELECT name FROM texts ORDER BY 1
SELECT name FROM texts WHERE name > 'Z'
SELECT min(name), max(name) FROM texts
SELECT lower(name), count(*) FROM texts GROUP BY 1
SELECT name FROM texts WHERE name ILIKE 'A%'
SELECT upper(name), upper(short), initcap(name) FROM texts
SELECT t.name FROM texts t JOIN times s ON lower(t.name) = lower(s.who)
SELECT s FROM fitting WHERE s > 'Z' ORDER BY 1
SELECT min(s), max(s), count(DISTINCT lower(s)) FROM fitting
SELECT name FROM edges WHERE name > 'Z' ORDER BY 1
SELECT upper(name), lower(name), count(*) FROM edges GROUP BY 1, 2
SELECT name, count(*) FROM maria_va GROUP BY 1 ORDER BY 1
SELECT id FROM maria_va WHERE name = 'A' OR name = 'ä'
SELECT a.id, b.id FROM maria_va a JOIN maria_vb b ON a.name = b."Code"
SELECT name, count(*) FROM lite_va GROUP BY 1 ORDER BY 1
SELECT id FROM lite_va WHERE name = 'A' OR name < 'a'
SELECT min(name), max(name), count(DISTINCT name) FROM csv
SELECT c_segment, count(*) FROM customer GROUP BY 1 ORDER BY 1
SELECT id FROM edges WHERE name ILIKE 'A%' OR name LIKE 'ä'
SELECT t.id, e.id FROM texts t JOIN edges e ON lower(t.name) = lower(e.name)

-- trailing blanks
SELECT id FROM texts WHERE code = 'a'
SELECT id FROM texts WHERE code = 'a   '
SELECT id FROM texts WHERE name = 'a'
SELECT id FROM texts WHERE name = 'a '
SELECT length(code), octet_length(code), code || '|' FROM texts
SELECT id FROM texts WHERE code LIKE 'a'
SELECT id FROM texts WHERE short = 'a'
SELECT t.id, s.id FROM texts t JOIN times s ON t.name = s.who
SELECT t.id FROM texts t JOIN times s ON t.code = s.who
SELECT id, s FROM fitting WHERE s = 'a ' OR s = 'a'
SELECT id, code, length(code), code || '|' FROM edges WHERE code = 'ab'
SELECT id FROM edges WHERE name = 'a ' OR name = ' a '
SELECT id, "Code" FROM maria_va WHERE "Code" = 'a'
SELECT id, "Code" FROM lite_va WHERE "Code" = 'a '
SELECT "Code", count(*) FROM lite_va GROUP BY 1
SELECT "Code", count(*) FROM maria_va GROUP BY 1
SELECT t.id, e.id FROM texts t JOIN edges e ON t.code = e.code
SELECT t.id, f.id FROM texts t JOIN fitting f ON t.name = f.s
SELECT o_status, count(*) FROM orders WHERE o_status = 'O ' GROUP BY 1
SELECT name, length(name) FROM parquet WHERE name = 'z '

-- decimal scale and rounding
SELECT (0.5)::text, (-0.25)::text, (0.5 + 1)::text, id FROM times
SELECT price * rate, price / 3, price + rate, price * 0.1, -price, abs(rate) FROM numbers WHERE id <> 3
SELECT avg(price), sum(rate) FROM numbers
SELECT round(price), round(price, 1), round(rate, 3), trunc(rate, 2), ceil(price), floor(price) FROM numbers
SELECT rate::integer FROM numbers WHERE id < 10
SELECT price::numeric(20,1), rate::numeric(8,1) FROM numbers
SELECT free, free::text FROM numbers ORDER BY id
SELECT id FROM numbers WHERE free = 1.500
SELECT price FROM numbers WHERE price = 2.5 OR price = 0.050
SELECT ok, avg(rate) FROM numbers GROUP BY 1
SELECT sum(amount) / count(*) FROM sales
SELECT n, n * 2, n / 3, round(n, 1), n::text FROM fitting
SELECT sum(n), avg(n), min(n), max(n) FROM fitting
SELECT u, u::text FROM fitting WHERE u = 1.50
SELECT price / 3, round(price), price * rate, price::text FROM edges
SELECT sum(price), avg(rate), sum(price) / count(*) FROM edges
SELECT plain, plain::text, round(plain, 2) FROM edges
SELECT amount, sum(amount), avg(amount) FROM maria_va GROUP BY 1
SELECT amount / 3, round(amount, 1), amount::text FROM lite_va
SELECT sum(amount), avg(amount), max(amount) FROM lite_va
SELECT part, sum(amount), avg(amount) FROM orc GROUP BY 1
SELECT l_flag, sum(l_price * (1 - l_discount)), avg(l_discount) FROM lineitem GROUP BY 1

-- integer overflow and division
SELECT id + 1 FROM numbers
SELECT big * 2 FROM numbers
SELECT -id FROM numbers
SELECT small::integer / 2, small % 3, id / 7, id % 7 FROM numbers
SELECT id / 0 FROM numbers
SELECT big / nullif(small, 7) FROM numbers WHERE id > 0
SELECT sum(big) FROM numbers
SELECT sum(id), avg(id) FROM numbers
SELECT greatest(id, (-2147483648)) FROM numbers
SELECT id FROM numbers WHERE id = -2147483648
SELECT id FROM numbers WHERE big > 9223372036854775806
SELECT (big)::integer FROM numbers
SELECT abs(id) FROM numbers WHERE id > -5
SELECT id::smallint FROM numbers WHERE id < 100 AND id > 0
SELECT i + 9223372036854775807 FROM fitting WHERE id < 3
SELECT i / 2, i % 3, -i, j / 3 FROM fitting
SELECT sum(i), avg(j), sum(j) FROM fitting
SELECT big / 7, big % 7, -big, i / 2 FROM edges
SELECT sum(big), sum(huge), avg(i) FROM edges
SELECT i::smallint, small + 32767 FROM edges
SELECT n + 1 FROM maria_va
SELECT b * 2 FROM lite_va
SELECT n / 2, n % 5, b / 7, b % 7 FROM maria_va
SELECT n / 2, n % 5, b / 7, b % 7 FROM lite_va
SELECT sum(n), sum(b), avg(b) FROM lite_va
SELECT sum(n), sum(b), avg(n) FROM maria_va
SELECT n / nullif(part, 0), id % 7 FROM avro
SELECT sum(c_nation), avg(c_nation), c_id / 7 FROM customer GROUP BY 3

-- extreme dates
SELECT day, moment FROM times
SELECT day FROM times WHERE day < '0500-01-01'
SELECT max(day) - min(day) FROM times
SELECT day + 1 FROM times WHERE id < 5
SELECT extract(year FROM day), extract(century FROM day) FROM times
SELECT day FROM times ORDER BY 1 DESC LIMIT 3
SELECT day FROM times WHERE day IN ('0001-01-01', '9999-12-31')
SELECT day FROM times WHERE day < 'infinity'
SELECT date_trunc('year', moment) FROM times
SELECT day + interval '1 month' FROM times WHERE id < 5
SELECT day::text FROM times
SELECT day FROM times WHERE day > date '2024-02-28'::timestamp
SELECT day FROM times UNION ALL SELECT date 'infinity' ORDER BY 1 DESC
SELECT id, day = 'infinity', isfinite(day), day < '0044-03-15 BC' FROM times
SELECT date '0044-03-15 BC' + id, extract(year FROM date '0044-03-15 BC'), to_char(day, 'YYYY BC') FROM times
SELECT id FROM times WHERE day BETWEEN '-infinity' AND 'infinity'
SELECT max(moment), min(moment) FROM times WHERE moment <> timestamp 'infinity'
SELECT t, d, d + 1 FROM fitting WHERE d < '9999-12-31'
SELECT min(t), max(t), min(d), max(d) FROM fitting
SELECT id FROM strange WHERE d = '9999-12-31' OR t < '0002-01-01'
SELECT moment, day, extract(year FROM day) FROM edges WHERE moment < '0002-01-01' OR moment > '9000-01-01'
SELECT min(moment), max(ts), max(day) - min(day) FROM edges
SELECT "Day Of", count(*) FROM maria_va WHERE "Day Of" < '1970-01-01' GROUP BY 1
SELECT min("Day Of"), max("Day Of"), max(at) FROM lite_va
SELECT id FROM lite_va WHERE at = '1969-12-31 23:59:59.999999'
SELECT day - 1, at - interval '50 years' FROM parquet

-- time zones and daylight saving
SELECT id FROM times WHERE moment::timestamptz = instant
SELECT date_trunc('month', day), day::timestamptz, to_char(instant, 'YYYY-MM-DD HH24:MI:SS') FROM times
SELECT moment AT TIME ZONE 'Europe/Berlin' AT TIME ZONE 'America/New_York' FROM times WHERE id = 8
SELECT instant + interval '1 day' - instant, instant - interval '1 month' FROM times
SELECT instant FROM times
SELECT instant AT TIME ZONE 'Europe/Berlin' FROM times
SELECT moment AT TIME ZONE 'Europe/Berlin' FROM times WHERE id <> 5
SELECT date_trunc('day', instant) FROM times
SELECT instant + interval '1 day' FROM times
SELECT extract(hour FROM instant) FROM times
SELECT id FROM times WHERE instant = '2024-10-27 01:30:00+00'
SELECT count(DISTINCT instant) FROM times
SELECT id FROM times WHERE instant > moment
SELECT instant::date, instant::text FROM times
SELECT id, t::timestamptz, date_trunc('day', t::timestamptz) FROM fitting WHERE t > '1960-01-01' AND t < '3000-01-01'
SELECT tz, tz::date, extract(hour FROM tz), tz::text FROM edges
SELECT id FROM edges WHERE tz = timestamptz '2024-02-29 00:00:00+00' OR tz > ts
SELECT date_trunc('month', tz), count(*) FROM edges GROUP BY 1
SELECT e.id, s.id FROM edges e JOIN times s ON e.tz < s.instant AND e.id < 20
SELECT at::timestamptz, at AT TIME ZONE 'Europe/Berlin' FROM maria_va
SELECT at AT TIME ZONE 'America/New_York', date_trunc('day', at::timestamptz) FROM csv
SELECT e_at::timestamptz::date, count(*) FROM event GROUP BY 1

-- empty string
SELECT id FROM texts WHERE name = ''
SELECT id FROM texts WHERE name IS NULL
SELECT count(name), count(*) FROM texts
SELECT name || '' || short FROM texts
SELECT nullif(name, '') FROM texts
SELECT coalesce(name, 'none') FROM texts
SELECT id FROM texts WHERE short NOT IN ('', 'A')
SELECT length(''), ''::text FROM texts
SELECT id FROM fitting WHERE s = ''
SELECT count(*) FILTER (WHERE s IS NULL), count(*) FILTER (WHERE s = '') FROM fitting
SELECT id, name FROM edges WHERE name = ''
SELECT count(name), count(*) FROM edges
SELECT id, name || '' FROM maria_va WHERE name = '' OR name IS NULL
SELECT "Code", length("Code") FROM lite_va WHERE "Code" NOT IN ('a', 'b')
SELECT part, count(name), count(*) FILTER (WHERE name = '') FROM csv GROUP BY 1
SELECT part, count(name), count(*) FILTER (WHERE name = '') FROM json GROUP BY 1
SELECT c_segment, count(*) FROM customer WHERE c_segment <> '' OR c_segment IS NULL GROUP BY 1

-- groups, windows and sets
SELECT kind, qty, grouping(kind, qty), count(*) FILTER (WHERE amount > 5), sum(amount) FROM sales GROUP BY CUBE (kind, qty)
SELECT name, rank() OVER (ORDER BY name), dense_rank() OVER (ORDER BY lower(name) DESC NULLS LAST) FROM texts
SELECT double, rank() OVER (ORDER BY double), count(*) OVER (PARTITION BY double) FROM floats
SELECT id FROM numbers WHERE id NOT IN (SELECT ref FROM texts)
SELECT id FROM numbers n WHERE NOT EXISTS (SELECT 1 FROM texts t WHERE t.ref = n.id)
SELECT DISTINCT ON (kind) kind, id, amount FROM sales ORDER BY kind, amount DESC NULLS LAST, id
SELECT string_agg(DISTINCT short, ',' ORDER BY short), array_agg(code ORDER BY code, id) FROM texts
SELECT n.id, l.c FROM numbers n, LATERAL (SELECT count(*) AS c FROM texts t WHERE t.ref = n.id) l

-- NaN, infinities and minus zero
SELECT double::numeric FROM floats WHERE id IN (1, 2, 8)
SELECT double::integer FROM floats WHERE id <> 2
SELECT free::integer FROM numbers WHERE id < 5 AND id <> 3
SELECT greatest(double, 1), least(double, 'NaN'), sign(double), abs(double) FROM floats
SELECT * FROM floats
SELECT id FROM floats WHERE double = 'NaN'
SELECT id FROM floats WHERE double > 1
SELECT id FROM floats WHERE double = 0
SELECT double FROM floats ORDER BY 1
SELECT max(double), min(double) FROM floats
SELECT count(DISTINCT double) FROM floats
SELECT sum(double) FROM floats
SELECT double, count(*) FROM floats GROUP BY 1
SELECT a.id, b.id FROM floats a JOIN floats b ON a.double = b.double
SELECT double::text, single::text FROM floats
SELECT id FROM floats WHERE single = 0.1
SELECT double * 0, -double FROM floats
SELECT id FROM numbers WHERE free = 'NaN'
SELECT max(free) FROM numbers
SELECT double / 0 FROM floats
SELECT f, count(*) FROM fitting GROUP BY 1
SELECT id FROM fitting WHERE f = 'NaN' OR f > 1e300 OR f = 0
SELECT min(f), max(f), count(DISTINCT f) FROM fitting
SELECT f FROM strange ORDER BY 1 DESC LIMIT 12
SELECT dbl, count(*) FROM edges GROUP BY 1
SELECT id FROM edges WHERE dbl = 'NaN' OR dbl = 'Infinity' OR flt = -0.0
SELECT max(dbl), min(dbl) FROM edges
SELECT dbl, id FROM edges ORDER BY 1 DESC NULLS LAST, 2 LIMIT 15
SELECT ratio, count(*) FROM parquet GROUP BY 1
SELECT min(ratio), max(ratio), count(DISTINCT ratio) FROM parquet
SELECT id FROM orc WHERE ratio > 1 OR ratio = 0
SELECT min(ratio), max(ratio) FROM json WHERE ratio <> 'NaN'
SELECT max(ratio), min(ratio) FROM lite_va
SELECT ratio FROM maria_va WHERE ratio < 1e-300 AND ratio > 0

-- LIKE escapes
SELECT id FROM texts WHERE name LIKE 'a\%b'
SELECT id FROM texts WHERE name LIKE 'a\_b'
SELECT id FROM texts WHERE name LIKE 'a_b'
SELECT id FROM texts WHERE name LIKE '%\\%'
SELECT id FROM texts WHERE name LIKE 'a!%b' ESCAPE '!'
SELECT id FROM texts WHERE name LIKE 'a\b' ESCAPE ''
SELECT id FROM texts WHERE name NOT LIKE '%'
SELECT id FROM texts WHERE short LIKE '50\%'
SELECT id FROM texts WHERE name LIKE ''
SELECT id FROM texts WHERE name LIKE 'a\'
SELECT id FROM texts WHERE name LIKE '_'
SELECT t.id, s.id FROM texts t JOIN times s ON t.name LIKE s.who
SELECT id FROM texts WHERE name LIKE ANY (ARRAY['a\%b', 'b%'])
SELECT id FROM texts WHERE name ~ '^a[_%]b$' OR short SIMILAR TO '50!%' ESCAPE '!'
SELECT id FROM fitting WHERE s LIKE 'a\%%' OR s LIKE '%\\' OR s LIKE '$_'
SELECT id FROM fitting WHERE s LIKE 'a!%b!_c' ESCAPE '!' OR s LIKE '%.%'
SELECT id FROM edges WHERE name LIKE 'a\%b\_c' OR name LIKE 'a\\'
SELECT id FROM edges WHERE name LIKE '%!%%' ESCAPE '!' AND name NOT LIKE '\_'
SELECT id FROM maria_va WHERE name LIKE '%\%\_' OR name LIKE '\\' OR "Code" LIKE '!!x' ESCAPE '!'
SELECT id FROM lite_va WHERE name LIKE '%\%\_' OR name LIKE '\\' OR "Code" LIKE '!!x' ESCAPE '!'
SELECT id FROM maria_va WHERE name LIKE 'A%' AND name NOT LIKE '_b'
SELECT id FROM lite_va WHERE name LIKE 'A%' AND name NOT LIKE '_b'
SELECT id FROM orc WHERE name LIKE 'a\%\_%'
SELECT e_id FROM event WHERE e_kind LIKE '%\"%' OR e_kind LIKE '_,_'

-- long lists
SELECT id FROM sales WHERE item IN (@LONG@)
SELECT count(*) FROM sales WHERE qty NOT IN (@LONG@, NULL)
SELECT id FROM numbers WHERE id NOT IN (@LONG@)
SELECT id FROM sales WHERE item = ANY ('{@LONG@}'::integer[])
SELECT id, i FROM fitting WHERE i IN (@LONG@)
SELECT id FROM strange WHERE g NOT IN (@LONG@)
SELECT id FROM edges WHERE id IN (@LONG@) OR i IN (@LONG@)
SELECT count(*) FROM edges WHERE small NOT IN (@LONG@)
SELECT id FROM maria_va WHERE n IN (@LONG@)
SELECT id FROM lite_va WHERE n NOT IN (@LONG@)
SELECT count(*) FROM parquet WHERE n IN (@LONG@)
SELECT count(*) FROM lineitem WHERE l_order IN (@LONG@) AND l_part NOT IN (@LONG@)

-- odd names and Unicode
SELECT "order", "from Where", "Ünï", "q""uote" FROM "Select"
SELECT s."q""uote" FROM "Select" s WHERE s."from Where" = 'a'
SELECT "order" AS "group", count(*) FROM "Select" GROUP BY 1
SELECT a."Ünï" AS "SELECT" FROM "Select" a JOIN times b ON a."Ünï" = b.day
SELECT name, length(name), reverse(name), left(name, 1) FROM texts
SELECT id FROM texts WHERE name = '😀'
SELECT id FROM texts WHERE name LIKE 'Ü%' OR short LIKE '%ß%'
SELECT upper(short), lower(short) FROM texts
SELECT substr(name, 2, 2), strpos(name, 'ï'), ascii(name) FROM texts
SELECT id AS id, id FROM texts
SELECT dollar, dotted, o_x, count(*) FROM fitting GROUP BY 1, 2, 3
SELECT id FROM fitting WHERE s = '日本' OR s = '😀' OR s = 'ä'
SELECT length(s), upper(s), left(s, 1) FROM fitting
SELECT "Mixed Name" AS "select", key AS "Key", count(*) FROM edges GROUP BY 1, 2
SELECT name, length(name), upper(name), reverse(name) FROM edges WHERE name IN ('日本', '😀', 'ß', 'ı', 'İ')
SELECT "Code", "Day Of" AS "order" FROM maria_va WHERE "Code" = '😀' OR name = 'é'
SELECT "Code", "Day Of" AS "order" FROM lite_va WHERE "Code" = '日本' OR name = 'Ａ'
SELECT id, id, name AS id FROM csv WHERE name = 'é'
SELECT n_name, length(n_name), lower(n_name) FROM nation WHERE n_name > 'Z'
SELECT s."order", e.id FROM "Select" s JOIN edges e ON e.id = s."order"

-- MongoDB: missing, null and mixed types
SELECT id, i, f, n, s, t, d, b, o_x FROM strange
SELECT id, i IS NULL, s IS NULL, d IS NULL, b IS NULL, o_x IS NULL FROM fitting
SELECT id FROM strange WHERE i = 5 OR s = '5'
SELECT id FROM strange WHERE NOT (i > 0)
SELECT id FROM strange WHERE s <> 'a' OR s IS NULL
SELECT count(*), count(i), count(s), count(o_x), count(b) FROM strange
SELECT o_x, count(*) FROM strange GROUP BY 1
SELECT b, count(*) FROM fitting WHERE b IS NOT TRUE GROUP BY 1
SELECT id FROM strange WHERE i NOT IN (5, 7) OR d > '2000-01-01'
SELECT id, s FROM strange ORDER BY 2, 1 LIMIT 20
SELECT DISTINCT s FROM strange
SELECT min(s), max(s), min(t), max(f), sum(j) FROM strange
SELECT x.id, f.id FROM strange x JOIN fitting f ON x.i = f.i

-- Oracle: DATE with its time, and the empty string
SELECT id, moment, day FROM edges
SELECT id FROM edges WHERE moment = '2024-02-29 12:00:00'
SELECT id FROM edges WHERE day = '2024-02-29'
SELECT id FROM edges WHERE moment >= '2023-12-31' AND moment < '2024-01-01'
SELECT day, count(*) FROM edges GROUP BY 1
SELECT date_trunc('month', moment), max(moment) FROM edges GROUP BY 1
SELECT count(DISTINCT day), count(DISTINCT moment), max(day) FROM edges
SELECT e.id, s.id FROM edges e JOIN times s ON s.day = e.day
SELECT id FROM edges WHERE name <> ''
SELECT id FROM edges WHERE name IS NULL OR note IS NULL
SELECT id, coalesce(name, 'none'), name || note FROM edges
SELECT length(name), nullif(name, 'a') FROM edges
SELECT id FROM edges WHERE short IN ('', 'a')
