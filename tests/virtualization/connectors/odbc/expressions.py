"""Statements that are one statement at the source, by what they need there; ``{}`` are two tables of ``traps``."""

ALL = (
    "SELECT n % 10 + 1, id FROM {} ORDER BY id",
    "SELECT id FROM {} WHERE n / 7 >= 1",
    "SELECT id, n::bigint * 100 - 7 FROM {}",
    "SELECT id, abs(n::bigint), -(n % 100) FROM {}",
    "SELECT length(name), count(*) FROM {} GROUP BY length(name) HAVING count(*) > 1 ORDER BY 2 DESC, 1",
    "SELECT id FROM {} WHERE substring(name FROM 1 FOR 1) = 'a' OR substr(name, 2) = 'b'",
    "SELECT id FROM {} WHERE trim(name) = 'a' AND ltrim(name) <> name",
    "SELECT id, strpos(name, 'a'), strpos(name, '''q') FROM {}",
    "SELECT id FROM {} WHERE left(\"Code\", 2) IN ('ab', 'AB', 'é')",
    "SELECT extract(year FROM \"Day Of\") AS y, extract(month FROM \"Day Of\"), count(*) FROM {} GROUP BY 1, 2 ORDER BY 1, 2",
    "SELECT id, \"Day Of\" - DATE '2000-01-01' FROM {}",
    "SELECT id, n > 5, n IS NULL, name = 'a' AND flag FROM {}",
    "SELECT id, coalesce(n, 0), nullif(n, 7) FROM {}",
    "SELECT id, CASE WHEN n > 5 THEN 1 WHEN flag THEN 2 END, CASE n WHEN 7 THEN b ELSE id END FROM {}",
    "SELECT sum(CASE WHEN flag THEN n ELSE 0 END), count(*) FILTER (WHERE n > 1), count(CASE WHEN n < 5 THEN 1 END) FROM {}",
    "SELECT id FROM {} WHERE (n > 5) IS TRUE OR flag IS NOT FALSE",
    "SELECT t.id, u.id FROM {} t JOIN {} u ON t.n IS NOT DISTINCT FROM u.n WHERE t.id < 9",
    "SELECT DISTINCT n % 3, flag FROM {}",
    "SELECT id FROM {0} WHERE n IN (SELECT n FROM {1} WHERE {1}.id < {0}.id)",
    "SELECT id FROM {0} t WHERE EXISTS (SELECT 1 FROM {1} u WHERE u.name = t.name AND u.n > t.n)",
    "SELECT id FROM {1} t WHERE EXISTS (SELECT 1 FROM {0} u WHERE u.name = t.\"Code\")",  # MariaDB's cache took 'i' for 'I'
    "SELECT id FROM {0} t WHERE NOT EXISTS (SELECT 1 FROM {1} u WHERE u.\"Day Of\" = t.\"Day Of\")",
    "SELECT id FROM {0} t WHERE n > (SELECT min(n) FROM {1} u WHERE u.flag = t.flag)",
    "SELECT id, (SELECT count(*) FROM {1} u WHERE u.n = t.n) FROM {0} t",
    "SELECT q.a, q.k FROM (SELECT n AS a, count(*) AS k FROM {} WHERE n > 3 GROUP BY n) q WHERE q.k > 1 ORDER BY 1",
    "WITH c AS (SELECT n, count(*) AS k FROM {} GROUP BY n) SELECT c.n, c.k, d.k FROM c JOIN c d ON c.k = d.k ORDER BY 1, 3",
    "SELECT id, row_number() OVER (PARTITION BY n ORDER BY name DESC, id) FROM {}",
    "SELECT id, rank() OVER (ORDER BY name), dense_rank() OVER (PARTITION BY flag ORDER BY n NULLS FIRST) FROM {}",
    "SELECT id, sum(n) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW), count(*) OVER (PARTITION BY name) FROM {}",
    "SELECT id, lag(n) OVER (ORDER BY id), lead(b, 2) OVER (PARTITION BY flag ORDER BY id DESC) FROM {}",
    "SELECT id, min(n) OVER (ORDER BY \"Day Of\", id), sum(n) OVER (ORDER BY n) FROM {}",
    "SELECT n, sum(n) OVER (ORDER BY n), count(*) FROM {} WHERE n < 100 GROUP BY n",
    "SELECT n FROM {} UNION SELECT n FROM {} ORDER BY 1 LIMIT 3",
    "SELECT id, flag FROM {} UNION ALL SELECT id, flag FROM {} WHERE id < 4",
    "SELECT n, \"Day Of\" FROM {} INTERSECT SELECT n, \"Day Of\" FROM {}",
    "SELECT n FROM {} WHERE id < 9 EXCEPT SELECT n FROM {} WHERE n > 3",
    "SELECT count(*) FROM (SELECT name FROM {} UNION SELECT \"Code\" FROM {}) q WHERE q.name > 'a'",
)  # fmt: skip
UNKNOWN = (
    "SELECT id FROM {0} WHERE name NOT IN (SELECT name FROM {1})",
    "SELECT id FROM {0} WHERE name NOT IN (SELECT \"Code\" FROM {1} WHERE \"Code\" IS NOT NULL)",
    "SELECT id FROM {0} WHERE NOT (b IN (SELECT n FROM {0}))",  # MariaDB forgot the NULLs beside a number that is no int
    "SELECT id FROM {0} WHERE (b = ANY (SELECT n FROM {1})) IS FALSE",
    "SELECT id, b IN (SELECT n FROM {0}) FROM {0}",
)  # fmt: skip
"""Where false and unknown are not the same for a sub-query's IN."""

TEXTS = (
    "SELECT sum(n), min(name), max(name) FROM {}",
    "SELECT id, substring(name FROM 2 FOR 1), trim(trailing FROM name), n::text FROM {}",
    "SELECT id, coalesce(name, 'x'), CASE WHEN flag THEN name ELSE \"Code\" END FROM {}",
    'SELECT name FROM {} UNION SELECT "Code" FROM {} ORDER BY 1',
    "SELECT id, lag(name) OVER (ORDER BY id) FROM {}",
)
"""Not for drivers that cut texts off which are no columns."""

DECIMALS = (
    "SELECT sum(b), sum(amount) FROM {}",
    "SELECT id FROM {} WHERE amount > 1.49 AND at < '2024-01-01 00:00:00.5'",
    "SELECT sum(amount * (1 - 0.05)), sum(amount * n) FROM {}",
    "SELECT id, amount * 2, amount + n, amount - amount, -amount, abs(amount), amount * amount FROM {}",
    "SELECT id, round(amount, 1), round(amount), ceil(amount), floor(amount) FROM {}",
    "SELECT id, round(amount)::bigint, amount::bigint FROM {}",
    "SELECT id FROM {0} t WHERE amount >= (SELECT max(amount) FROM {1} u WHERE u.n = t.n)",
    "SELECT id, extract(quarter FROM \"Day Of\"), extract(hour FROM at), extract(minute FROM at) FROM {}",
    "SELECT id, date_trunc('month', at), date_trunc('hour', at), at::date, \"Day Of\"::timestamp FROM {}",
    "SELECT id, sum(amount) OVER (PARTITION BY n ORDER BY at, id) FROM {}",
    "SELECT amount FROM {} UNION SELECT amount FROM {}",
    "SELECT amount, n::numeric + 1 FROM {}",
)  # fmt: skip
"""For sources that have exact decimals, and timestamps."""
