-- A query, and below it the statement that Oracle must receive, written by hand from the SQL Language Reference of 12.1 (its chapters in brackets).
-- [SELECT: query_block] names quoted as they are there; no AS before a table's alias
SELECT o_id FROM orders
SELECT "orders"."O_ID" AS "o_id" FROM "SHOP"."ORDERS" "orders"
-- [Selecting from the DUAL Table]
SELECT o_id FROM orders WHERE EXISTS (SELECT 1)
SELECT "orders"."O_ID" AS "o_id" FROM "SHOP"."ORDERS" "orders" WHERE EXISTS (SELECT 1 AS "?column?" FROM dual)
-- [Database Object Names: 1 to 30 bytes] a longer name of ours gets a short one
SELECT o_id AS "this name has more than thirty bytes" FROM orders
SELECT "orders"."O_ID" AS "this name has more th~a6229803" FROM "SHOP"."ORDERS" "orders"
-- [row_limiting_clause]
SELECT o_id FROM orders ORDER BY o_total LIMIT 10 OFFSET 5
SELECT "orders"."O_ID" AS "o_id" FROM "SHOP"."ORDERS" "orders" ORDER BY "orders"."O_TOTAL" ASC NULLS LAST OFFSET 5 ROWS FETCH FIRST 10 ROWS ONLY
-- [order_by_clause: NULLS LAST is the default for ascending order] said always
SELECT o_id FROM orders ORDER BY o_total DESC, 1 NULLS FIRST
SELECT "orders"."O_ID" AS "o_id" FROM "SHOP"."ORDERS" "orders" ORDER BY "orders"."O_TOTAL" DESC NULLS FIRST, "orders"."O_ID" ASC NULLS FIRST
-- [The UNION [ALL], INTERSECT, MINUS Operators]
SELECT o_id FROM orders EXCEPT SELECT c_id FROM customer ORDER BY 1
(SELECT "orders"."O_ID" AS "o_id" FROM "SHOP"."ORDERS" "orders") MINUS (SELECT "customer"."C_ID" AS "c_id" FROM "SHOP"."CUSTOMER" "customer") ORDER BY 1 ASC NULLS LAST
-- [Datetime Literals] a DATE beside a DATE, so that an index serves
SELECT o_id FROM orders WHERE o_at >= '2024-02-29' AND o_at < '2024-03-01 12:30:00'
SELECT "orders"."O_ID" AS "o_id" FROM "SHOP"."ORDERS" "orders" WHERE (("orders"."O_AT" >= DATE '2024-02-29') AND ("orders"."O_AT" < TO_DATE('2024-03-01 12:30:00', 'YYYY-MM-DD HH24:MI:SS')))
-- [Datetime Literals] fractions need TIMESTAMP
SELECT o_id FROM orders WHERE o_ts > '2024-02-29 00:00:00.5'
SELECT "orders"."O_ID" AS "o_id" FROM "SHOP"."ORDERS" "orders" WHERE ("orders"."O_TS" > TIMESTAMP '2024-02-29 00:00:00.500000')
-- [DATE Data Type] always with a time: a date of ours is its day
SELECT o_id FROM orders WHERE o_day = '2024-02-29'
SELECT "orders"."O_ID" AS "o_id" FROM "SHOP"."ORDERS" "orders" WHERE (TRUNC("orders"."O_AT") = DATE '2024-02-29')
-- calculated here: a month after the 31st is PostgreSQL's
SELECT o_id FROM orders WHERE o_at < DATE '2024-01-31' + INTERVAL '1 month'
SELECT "orders"."O_ID" AS "o_id" FROM "SHOP"."ORDERS" "orders" WHERE ("orders"."O_AT" < DATE '2024-02-29')
-- [Datetime/Interval Arithmetic: DATE minus DATE is a number of days]
SELECT o_day - DATE '2024-01-01' AS n FROM orders
SELECT (TRUNC("orders"."O_AT") - DATE '2024-01-01') AS "n" FROM "SHOP"."ORDERS" "orders"
-- [EXTRACT (datetime)] hours only of timestamps
SELECT extract(year FROM o_at) AS y, extract(hour FROM o_at) AS h FROM orders
SELECT EXTRACT(YEAR FROM "orders"."O_AT") AS "y", EXTRACT(HOUR FROM CAST("orders"."O_AT" AS TIMESTAMP)) AS "h" FROM "SHOP"."ORDERS" "orders"
-- [TRUNC (date)]
SELECT date_trunc('month', o_ts) AS m FROM orders
SELECT TRUNC("orders"."O_TS", 'MM') AS "m" FROM "SHOP"."ORDERS" "orders"
-- [TIMESTAMP WITH TIME ZONE Data Type] the instant, in UTC
SELECT o_tz FROM orders
SELECT CAST(SYS_EXTRACT_UTC("orders"."O_TZ") AS TIMESTAMP(6)) AS "o_tz" FROM "SHOP"."ORDERS" "orders"
-- [Data Types: there is no BOOLEAN]
SELECT o_flag, o_total > 5 AS big FROM orders WHERE o_flag
SELECT CASE WHEN "orders"."O_FLAG" <> 0 THEN 1 WHEN "orders"."O_FLAG" = 0 THEN 0 END AS "o_flag", CASE WHEN ("orders"."O_TOTAL" > 5) THEN 1 WHEN NOT (("orders"."O_TOTAL" > 5)) THEN 0 END AS "big" FROM "SHOP"."ORDERS" "orders" WHERE ("orders"."O_FLAG" <> 0)
-- [Pattern-matching Conditions: no escape character by default]
SELECT o_id FROM orders WHERE o_note LIKE 'a\%b%' AND o_note NOT LIKE 'x_'
SELECT "orders"."O_ID" AS "o_id" FROM "SHOP"."ORDERS" "orders" WHERE (("orders"."O_NOTE" LIKE 'a\%b%' ESCAPE '\') AND ("orders"."O_NOTE" NOT LIKE 'x_'))
-- [Text Literals: a quotation mark is doubled, a backslash is itself]
SELECT o_id FROM orders WHERE o_note = 'it''s \n'
SELECT "orders"."O_ID" AS "o_id" FROM "SHOP"."ORDERS" "orders" WHERE ("orders"."O_NOTE" = 'it''s \n')
-- [Concatenation Operator: a null is an empty text there]
SELECT o_note || '-' || o_code AS j FROM orders
SELECT CASE WHEN NOT ("orders"."O_NOTE" IS NULL OR "orders"."O_CODE" IS NULL) THEN "orders"."O_NOTE" || '-' || "orders"."O_CODE" END AS "j" FROM "SHOP"."ORDERS" "orders"
-- [Blank-Padded and Nonpadded Comparison Semantics: text literals are CHAR]
SELECT CASE WHEN o_id = 1 THEN 'a' ELSE 'bc' END AS c FROM orders
SELECT CASE WHEN ("orders"."O_ID" = 1) THEN CAST('a' AS VARCHAR2(1)) ELSE CAST('bc' AS VARCHAR2(2)) END AS "c" FROM "SHOP"."ORDERS" "orders"
-- [Arithmetic Operators, MOD] division keeps its fraction there
SELECT o_cust / 7 AS q, o_cust % 7 AS r FROM orders
SELECT TRUNC("orders"."O_CUST" / 7) AS "q", MOD("orders"."O_CUST", 7) AS "r" FROM "SHOP"."ORDERS" "orders"
-- [TO_CHAR (number): TM9] a NUMBER without precision travels as text
SELECT o_any FROM orders ORDER BY o_any
SELECT TO_CHAR("orders"."O_ANY", 'TM9') AS "o_any" FROM "SHOP"."ORDERS" "orders" ORDER BY "orders"."O_ANY" ASC NULLS LAST
-- [Numeric Literals, BINARY_DOUBLE] compared as doubles
SELECT o_id FROM orders WHERE o_dbl > 0.5
SELECT "orders"."O_ID" AS "o_id" FROM "SHOP"."ORDERS" "orders" WHERE ("orders"."O_DBL" > TO_BINARY_DOUBLE(0.5))
-- [TRANSLATE] letters whose upper case is in ASCII, also the two outside of it
SELECT o_id FROM orders WHERE upper(o_note) = 'AB'
SELECT "orders"."O_ID" AS "o_id" FROM "SHOP"."ORDERS" "orders" WHERE (TRANSLATE("orders"."O_NOTE", 'abcdefghijklmnopqrstuvwxyzıſ', 'ABCDEFGHIJKLMNOPQRSTUVWXYZIS') = 'AB')
-- [Aggregate Functions] no FILTER; an average is divided here
SELECT count(*) FILTER (WHERE o_cust > 3) AS n, avg(o_total) AS a FROM orders
SELECT COUNT(CASE WHEN ("orders"."O_CUST" > 3) THEN 1 END) AS "n", SUM("orders"."O_TOTAL") AS "a", COUNT("orders"."O_TOTAL") AS "a (count)" FROM "SHOP"."ORDERS" "orders"
-- [group_by_clause] expressions, no numbers of columns
SELECT extract(year FROM o_at) AS y, sum(o_total) AS s FROM orders GROUP BY 1 HAVING count(*) > 2 ORDER BY 2 DESC LIMIT 3
SELECT EXTRACT(YEAR FROM "orders"."O_AT") AS "y", SUM("orders"."O_TOTAL") AS "s" FROM "SHOP"."ORDERS" "orders" GROUP BY EXTRACT(YEAR FROM "orders"."O_AT") HAVING (COUNT(*) > 2) ORDER BY SUM("orders"."O_TOTAL") DESC NULLS FIRST FETCH FIRST 3 ROWS ONLY
-- [join_clause]
SELECT c.c_name, sum(o_total) AS s FROM orders o JOIN customer c ON o.o_cust = c.c_id LEFT JOIN customer d ON d.c_id = o.o_id GROUP BY c.c_name
SELECT "c"."C_NAME" AS "c_name", SUM("o"."O_TOTAL") AS "s" FROM "SHOP"."ORDERS" "o" INNER JOIN "SHOP"."CUSTOMER" "c" ON ("o"."O_CUST" = "c"."C_ID") LEFT JOIN "SHOP"."CUSTOMER" "d" ON ("d"."C_ID" = "o"."O_ID") GROUP BY "c"."C_NAME"
-- [IN Condition, Nulls with Comparison Conditions]
SELECT c_id FROM customer WHERE c_id NOT IN (SELECT o_cust FROM orders)
SELECT "customer"."C_ID" AS "c_id" FROM "SHOP"."CUSTOMER" "customer" WHERE NOT (("customer"."C_ID" IN (SELECT "orders"."O_CUST" AS "o_cust" FROM "SHOP"."ORDERS" "orders")))
-- [Analytic Functions]
SELECT o_id, rank() OVER (PARTITION BY o_cust ORDER BY o_total DESC) AS r FROM orders
SELECT "orders"."O_ID" AS "o_id", RANK() OVER (PARTITION BY "orders"."O_CUST" ORDER BY "orders"."O_TOTAL" DESC NULLS FIRST) AS "r" FROM "SHOP"."ORDERS" "orders"
-- [subquery_factoring_clause]
WITH x AS (SELECT o_cust, count(*) AS n FROM orders GROUP BY o_cust) SELECT a.n FROM x a JOIN x b ON a.o_cust = b.o_cust
WITH "x" AS (SELECT "orders"."O_CUST" AS "o_cust", COUNT(*) AS "n" FROM "SHOP"."ORDERS" "orders" GROUP BY "orders"."O_CUST") SELECT "a"."n" AS "n" FROM "x" "a" INNER JOIN "x" "b" ON ("a"."o_cust" = "b"."o_cust")
-- [NULL-safe: CASE, as no operator does it]
SELECT o_id FROM orders WHERE o_cust IS DISTINCT FROM 3
SELECT "orders"."O_ID" AS "o_id" FROM "SHOP"."ORDERS" "orders" WHERE (CASE WHEN "orders"."O_CUST" = 3 OR ("orders"."O_CUST" IS NULL AND 3 IS NULL) THEN 1 ELSE 0 END = 0)
-- IS NOT NULL is one node of the parser's, with a part of its own
SELECT o_id FROM orders WHERE o_note IS NOT NULL AND NOT o_cust IS NULL
SELECT "orders"."O_ID" AS "o_id" FROM "SHOP"."ORDERS" "orders" WHERE (("orders"."O_NOTE" IS NOT NULL) AND NOT (("orders"."O_CUST" IS NULL)))
