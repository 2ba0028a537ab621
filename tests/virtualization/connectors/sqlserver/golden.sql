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
-- || is + there, which NULL and numbers are treated otherwise by; integer division, lower() and the like stay here too.
SELECT id FROM t WHERE name || 'x' = 'ax'
=> here: not_on_list
SELECT id FROM t WHERE n / 2 = 1
=> here: not_on_list
SELECT n + 1 FROM t
=> here: not_on_list

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
=> SELECT CAST(SUM(CAST("t0"."n" AS decimal(38, 0))) AS bigint) AS c0, CONVERT(varchar(60), SUM("t0"."amount")) AS c1 FROM "dbo"."Orders" "t0"
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
