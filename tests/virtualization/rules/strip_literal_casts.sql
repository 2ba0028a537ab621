SELECT id FROM orders WHERE id = 5::integer LIMIT 10::bigint OFFSET 0::bigint
-->
SELECT id FROM orders WHERE id = 5 LIMIT 10 OFFSET 0

SELECT id FROM orders WHERE note = 'a'::text
-->
SELECT id FROM orders WHERE note = 'a'

SELECT id FROM orders WHERE id < 5000000000::bigint
-->
SELECT id FROM orders WHERE id < 5000000000

SELECT id FROM orders WHERE d >= '2024-01-01'::date
-->
=

SELECT 5::bigint, '5'::text, 5.0::numeric(3,1) FROM orders
-->
=

SELECT id FROM orders WHERE id > 7::smallint
-->
=

SELECT id FROM orders WHERE note || 'x' = 'ax'::text
-->
=

SELECT id FROM orders WHERE id = '5'::bigint AND cust > '-7'::integer AND id < '300'::numeric
-->
SELECT id FROM orders WHERE id = 5::bigint AND cust > (-7) AND id < 300::numeric

SELECT '1.5'::numeric, '007'::integer, '5'::numeric(3,1), ' 5'::integer FROM orders
-->
=

SELECT id, count(*) FROM orders GROUP BY id, 2::integer ORDER BY 1::integer, '2'::integer
-->
SELECT id, count(*) FROM orders GROUP BY id, 2::integer ORDER BY 1::integer, 2::integer
