-- null order
SELECT price, id FROM numbers ORDER BY 1 LIMIT 3
SELECT price, id FROM numbers ORDER BY 1 DESC LIMIT 3
SELECT price, id FROM numbers ORDER BY 1 NULLS FIRST LIMIT 2
SELECT price, id FROM numbers ORDER BY 1 DESC NULLS LAST LIMIT 2
SELECT t.name, n.price FROM texts t LEFT JOIN numbers n ON n.id = t.ref ORDER BY 1, 2 NULLS FIRST LIMIT 7

-- collation and case
SELECT name FROM texts ORDER BY 1
SELECT name FROM texts WHERE name > 'Z'
SELECT min(name), max(name) FROM texts
SELECT lower(name), count(*) FROM texts GROUP BY 1
SELECT name FROM texts WHERE name ILIKE 'A%'
SELECT upper(name), upper(short), initcap(name) FROM texts
SELECT t.name FROM texts t JOIN times s ON lower(t.name) = lower(s.who)

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

-- empty string
SELECT id FROM texts WHERE name = ''
SELECT id FROM texts WHERE name IS NULL
SELECT count(name), count(*) FROM texts
SELECT name || '' || short FROM texts
SELECT nullif(name, '') FROM texts
SELECT coalesce(name, 'none') FROM texts
SELECT id FROM texts WHERE short NOT IN ('', 'A')
SELECT length(''), ''::text FROM texts

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

-- long lists
SELECT id FROM sales WHERE item IN (@LONG@)
SELECT count(*) FROM sales WHERE qty NOT IN (@LONG@, NULL)
SELECT id FROM numbers WHERE id NOT IN (@LONG@)
SELECT id FROM sales WHERE item = ANY ('{@LONG@}'::integer[])

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
