-- Statements written by hand from Microsoft's T-SQL reference: what PostgreSQL's SELECT (first) must become (second).
-- "=> here: CODE": it stays here, for this reason.

-- Integers compare as they are; bigint travels in binary.
SELECT id FROM t WHERE n > 5 AND n <= 1000
=> SELECT CAST("t0"."id" AS bigint) AS c0 FROM "dbo"."Orders" "t0" WHERE ("t0"."n" > 5 AND "t0"."n" <= 1000)

-- COUNT gives int and may overflow: COUNT_BIG.
SELECT count(*) FROM t
=> SELECT CAST(COUNT_BIG(*) AS bigint) AS c0 FROM "dbo"."Orders" "t0"

-- No boolean expressions in conditions or select lists: a bit is compared with 1.
SELECT id FROM t WHERE flag
=> SELECT CAST("t0"."id" AS bigint) AS c0 FROM "dbo"."Orders" "t0" WHERE "t0"."flag" = 1
SELECT id FROM t WHERE NOT flag AND id IS NOT NULL
=> SELECT CAST("t0"."id" AS bigint) AS c0 FROM "dbo"."Orders" "t0" WHERE (NOT ("t0"."flag" = 1) AND NOT ("t0"."id" IS NULL))

-- Equality of texts: default collations leave out case, every collation blanks at the end ('a' = 'a ').
SELECT id FROM t WHERE name = 'ab'
=> SELECT CAST("t0"."id" AS bigint) AS c0 FROM "dbo"."Orders" "t0" WHERE ("t0"."name" = 'ab' AND (CONVERT(nvarchar(max), "t0"."name") + N'|') COLLATE Latin1_General_100_BIN2 = ('ab' + N'|'))
SELECT id FROM t WHERE name <> 'a'
=> SELECT CAST("t0"."id" AS bigint) AS c0 FROM "dbo"."Orders" "t0" WHERE (CONVERT(nvarchar(max), "t0"."name") + N'|') COLLATE Latin1_General_100_BIN2 <> ('a' + N'|')
-- Letters outside of ASCII, quotes and backslashes (which continue a line there) go as UTF-16.
SELECT id FROM t WHERE name IN ('ä', 'x''\')
=> SELECT CAST("t0"."id" AS bigint) AS c0 FROM "dbo"."Orders" "t0" WHERE (CONVERT(nvarchar(max), "t0"."name") + N'|') COLLATE Latin1_General_100_BIN2 IN ((CAST(0xe400 AS nvarchar(max)) + N'|'), (CAST(0x780027005c00 AS nvarchar(max)) + N'|'))
-- The order of a binary collation is that of UTF-16's units, not of code points.
SELECT id FROM t WHERE name > 'a'
=> here: text_order
SELECT id FROM t ORDER BY name
=> here: text_order
SELECT max(name) FROM t
=> here: aggregate
SELECT name, count(*) FROM t GROUP BY name
=> here: type
-- LIKE knows [ ] and leaves out blanks at the end of some types.
SELECT id FROM t WHERE name LIKE 'a%'
=> here: like_pattern
-- || is + there, which NULL is treated otherwise by and which is cut at 8,000 bytes; lower() and the like follow the collation.
SELECT id FROM t WHERE name || 'x' = 'ax'
=> here: not_on_list
SELECT id FROM t WHERE upper(name) = 'AX'
=> here: not_on_list
SELECT length(name) FROM t
=> here: not_on_list
-- trim() takes blanks off on both sides of the wire.
SELECT id FROM t WHERE trim(name) = 'ab'
=> SELECT CAST("t0"."id" AS bigint) AS c0 FROM "dbo"."Orders" "t0" WHERE (CONVERT(nvarchar(max), LTRIM(RTRIM("t0"."name"))) + N'|') COLLATE Latin1_General_100_BIN2 = ('ab' + N'|')
-- uniqueidentifier has an order of its own, and prints in capitals.
SELECT id FROM t WHERE code = 'a'
=> here: type
SELECT code FROM t ORDER BY code
=> here: type

-- Integer division cuts off on both sides; by zero it is an error on both, but only constants are divided by.
SELECT id FROM t WHERE n / 2 = 1
=> SELECT CAST("t0"."id" AS bigint) AS c0 FROM "dbo"."Orders" "t0" WHERE ("t0"."n" / 2) = 1
SELECT n % 7 FROM t
=> SELECT CAST(("t0"."n" % 7) AS bigint) AS c0 FROM "dbo"."Orders" "t0"
SELECT id / n FROM t
=> here: division_by_zero
-- int + int is an int there as here, and overflows: nothing that might is sent. Casts are written, because 2 * int stays an int.
SELECT n + 1 FROM t
=> here: overflow
SELECT n::bigint * 100 FROM t
=> SELECT CAST((CAST("t0"."n" AS bigint) * 100) AS bigint) AS c0 FROM "dbo"."Orders" "t0"
-- tinyint has no sign: 1 - 2 is an error there.
SELECT small::integer - 2 FROM t
=> here: type
-- decimal(38) at most, then the digits behind the point are cut; 12.2 times 12.2 needs 25 of them.
SELECT amount * amount FROM t
=> SELECT CONVERT(varchar(60), ("t0"."amount" * "t0"."amount"), 2) AS c0 FROM "dbo"."Orders" "t0"
SELECT amount * amount * amount FROM t
=> SELECT CONVERT(varchar(60), (("t0"."amount" * "t0"."amount") * "t0"."amount"), 2) AS c0 FROM "dbo"."Orders" "t0"
SELECT amount * amount * amount * amount FROM t
=> here: precision
-- ROUND keeps the digits that it made zero.
SELECT round(amount, 1) FROM t
=> SELECT CONVERT(varchar(60), CAST(ROUND("t0"."amount", 1) AS decimal(12, 1)), 2) AS c0 FROM "dbo"."Orders" "t0"
-- money as text has two digits behind the point unless style 2 is asked for; it is calculated with in four digits, so not there.
SELECT paid FROM t
=> SELECT CONVERT(varchar(60), "t0"."paid", 2) AS c0 FROM "dbo"."Orders" "t0"
SELECT paid * 2 FROM t
=> here: type
SELECT amount / 2 FROM t
=> here: numeric_division

-- extract() is a numeric here.
SELECT extract(year FROM d), count(*) FROM t GROUP BY 1
=> SELECT CONVERT(varchar(60), CAST(YEAR("t0"."d") AS decimal(4, 0)), 2) AS c0, CAST(COUNT_BIG(*) AS bigint) AS c1 FROM "dbo"."Orders" "t0" GROUP BY CAST(YEAR("t0"."d") AS decimal(4, 0))
SELECT id FROM t WHERE date_trunc('month', at) = '2024-02-01'
=> SELECT CAST("t0"."id" AS bigint) AS c0 FROM "dbo"."Orders" "t0" WHERE DATETIME2FROMPARTS(YEAR(CAST("t0"."at" AS datetime2(6))), MONTH(CAST("t0"."at" AS datetime2(6))), 1, 0, 0, 0, 0, 6) = CAST('2024-02-01 00:00:00' AS datetime2(6))
-- DATEDIFF counts from its second argument to its third.
SELECT d - d FROM t
=> SELECT CAST(DATEDIFF(day, "t0"."d", "t0"."d") AS bigint) AS c0 FROM "dbo"."Orders" "t0"

-- CASE, COALESCE. A condition is no value there: a number stands for it. Texts of several columns may have several collations.
SELECT sum(CASE WHEN flag THEN n ELSE 0 END) FROM t
=> SELECT CAST(SUM(CAST(CASE WHEN "t0"."flag" = 1 THEN "t0"."n" ELSE 0 END AS decimal(38, 0))) AS bigint) AS c0 FROM "dbo"."Orders" "t0"
SELECT n > 5 FROM t
=> SELECT CAST(CASE WHEN "t0"."n" > 5 THEN 1 WHEN NOT ("t0"."n" > 5) THEN 0 END AS char(1)) AS c0 FROM "dbo"."Orders" "t0"
SELECT coalesce(n, 0) FROM t
=> SELECT CAST(COALESCE("t0"."n", 0) AS bigint) AS c0 FROM "dbo"."Orders" "t0"
SELECT coalesce(name, 'x') FROM t
=> here: type

-- Sub-queries: NOT IN knows NULL on both sides; texts compare in their exact form on both.
SELECT id FROM t WHERE name NOT IN (SELECT name FROM u)
=> SELECT CAST("t0"."id" AS bigint) AS c0 FROM "dbo"."Orders" "t0" WHERE NOT ((CONVERT(nvarchar(max), "t0"."name") + N'|') COLLATE Latin1_General_100_BIN2 IN (SELECT (CONVERT(nvarchar(max), "t1"."name") + N'|') COLLATE Latin1_General_100_BIN2 AS c0 FROM "dbo"."Customers" "t1"))
SELECT id FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.id = t.id AND u.n IS NULL)
=> SELECT CAST("t0"."id" AS bigint) AS c0 FROM "dbo"."Orders" "t0" WHERE EXISTS (SELECT 1 AS c0 FROM "dbo"."Customers" "t1" WHERE ("t1"."id" = "t0"."id" AND "t1"."n" IS NULL))
SELECT id FROM t WHERE amount = (SELECT max(amount) FROM u WHERE u.n = t.n)
=> SELECT CAST("t0"."id" AS bigint) AS c0 FROM "dbo"."Orders" "t0" WHERE "t0"."amount" = (SELECT MAX("t1"."amount") AS c0 FROM "dbo"."Customers" "t1" WHERE "t1"."n" = "t0"."n")
-- ORDER BY in a sub-query is an error there unless it is limited: it means nothing, so it is left out.
SELECT q.k FROM (SELECT n, count(*) AS k FROM t GROUP BY n ORDER BY n) AS q WHERE q.k > 1
=> SELECT CAST("q1".c0 AS bigint) AS c0 FROM (SELECT COUNT_BIG(*) AS c0 FROM "dbo"."Orders" "t0" GROUP BY "t0"."n") "q1" WHERE "q1".c0 > 1

-- Windows, with NULLs in PostgreSQL's place.
SELECT id, row_number() OVER (PARTITION BY n ORDER BY d DESC, id) FROM t
=> SELECT CAST("t0"."id" AS bigint) AS c0, CAST(ROW_NUMBER() OVER (PARTITION BY "t0"."n" ORDER BY CASE WHEN "t0"."d" IS NULL THEN 0 ELSE 1 END, "t0"."d" DESC, CASE WHEN "t0"."id" IS NULL THEN 1 ELSE 0 END, "t0"."id") AS bigint) AS c1 FROM "dbo"."Orders" "t0"
SELECT sum(amount) OVER (ORDER BY id) FROM t
=> SELECT CONVERT(varchar(60), SUM("t0"."amount") OVER (ORDER BY CASE WHEN "t0"."id" IS NULL THEN 1 ELSE 0 END, "t0"."id"), 2) AS c0 FROM "dbo"."Orders" "t0"
SELECT row_number() OVER () FROM t
=> here: window_order

-- Set operations.
SELECT n FROM t UNION SELECT n FROM u ORDER BY 1 LIMIT 3
=> SELECT CAST("q1".c0 AS bigint) AS c0 FROM (SELECT "t0"."n" AS c0 FROM "dbo"."Orders" "t0" UNION SELECT "t1"."n" AS c0 FROM "dbo"."Customers" "t1") "q1" ORDER BY CASE WHEN "q1".c0 IS NULL THEN 1 ELSE 0 END, "q1".c0 OFFSET 0 ROWS FETCH NEXT 3 ROWS ONLY
SELECT n FROM t EXCEPT ALL SELECT n FROM u
=> here: not_on_list
SELECT name FROM t UNION ALL SELECT name FROM u
=> here: type

-- NULLs are below all values there, above them here: a key of their own, and TOP n is OFFSET … FETCH.
SELECT id, n FROM t ORDER BY n LIMIT 10
=> SELECT CAST("t0"."id" AS bigint) AS c0, CAST("t0"."n" AS bigint) AS c1 FROM "dbo"."Orders" "t0" ORDER BY CASE WHEN "t0"."n" IS NULL THEN 1 ELSE 0 END, "t0"."n" OFFSET 0 ROWS FETCH NEXT 10 ROWS ONLY
SELECT id, n FROM t ORDER BY n DESC LIMIT 10 OFFSET 20
=> SELECT CAST("t0"."id" AS bigint) AS c0, CAST("t0"."n" AS bigint) AS c1 FROM "dbo"."Orders" "t0" ORDER BY CASE WHEN "t0"."n" IS NULL THEN 0 ELSE 1 END, "t0"."n" DESC OFFSET 20 ROWS FETCH NEXT 10 ROWS ONLY
-- FETCH needs an ORDER BY.
SELECT id FROM t LIMIT 3
=> SELECT CAST("t0"."id" AS bigint) AS c0 FROM "dbo"."Orders" "t0" ORDER BY (SELECT NULL) OFFSET 0 ROWS FETCH NEXT 3 ROWS ONLY
SELECT id FROM t LIMIT 0
=> here: limit

-- SUM(int) is int there and overflows; decimals keep their scale.
SELECT sum(n), sum(amount) FROM t
=> SELECT CAST(SUM(CAST("t0"."n" AS decimal(38, 0))) AS bigint) AS c0, CONVERT(varchar(60), SUM("t0"."amount"), 2) AS c1 FROM "dbo"."Orders" "t0"
-- AVG(int) is an int there, and of decimals has other digits.
SELECT avg(n) FROM t
=> here: aggregate
SELECT sum(ratio) FROM t
=> here: double_order

-- Dates and timestamps: constants in the ISO form that no setting changes; datetime2(6), because seven digits there are six here.
SELECT d, at FROM t WHERE d >= '2024-02-29' AND at < '2024-03-01 12:00'
=> SELECT CONVERT(char(10), "t0"."d", 23) AS c0, CONVERT(varchar(26), CAST("t0"."at" AS datetime2(6)), 121) AS c1 FROM "dbo"."Orders" "t0" WHERE ("t0"."d" >= CAST('2024-02-29' AS date) AND CAST("t0"."at" AS datetime2(6)) < CAST('2024-03-01 12:00:00' AS datetime2(6)))
-- An instant is sent in UTC; its comparison depends on the session's zone here.
SELECT seen FROM t
=> SELECT CONVERT(varchar(26), CONVERT(datetime2(6), "t0"."seen", 1), 121) + '+00' AS c0 FROM "dbo"."Orders" "t0"
SELECT id FROM t WHERE seen > '2024-01-01'
=> here: type

-- Groups, HAVING, DISTINCT.
SELECT n, count(*) AS k FROM t GROUP BY n HAVING count(*) > 2 ORDER BY k DESC, n
=> SELECT CAST("t0"."n" AS bigint) AS c0, CAST(COUNT_BIG(*) AS bigint) AS c1 FROM "dbo"."Orders" "t0" GROUP BY "t0"."n" HAVING COUNT_BIG(*) > 2 ORDER BY CASE WHEN COUNT_BIG(*) IS NULL THEN 0 ELSE 1 END, COUNT_BIG(*) DESC, CASE WHEN "t0"."n" IS NULL THEN 1 ELSE 0 END, "t0"."n"
SELECT DISTINCT n FROM t
=> SELECT CAST("t0"."n" AS bigint) AS c0 FROM "dbo"."Orders" "t0" GROUP BY "t0"."n"

-- Joins.
SELECT t.id, u.id FROM t JOIN u ON t.n = u.n LEFT JOIN u AS w ON w.id = t.id WHERE u.amount > 1.5
=> SELECT CAST("t0"."id" AS bigint) AS c0, CAST("t1"."id" AS bigint) AS c1 FROM "dbo"."Orders" "t0" INNER JOIN "dbo"."Customers" "t1" ON "t0"."n" = "t1"."n" LEFT JOIN "dbo"."Customers" "t2" ON "t2"."id" = "t0"."id" WHERE "t1"."amount" > 1.5
