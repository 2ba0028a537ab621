SELECT id FROM orders WHERE cust = ANY ('{1,2,-3}'::integer[])
-->
SELECT id FROM orders WHERE cust IN (1, 2, -3)

SELECT id FROM orders WHERE cust <> ALL ('{1,2}'::integer[])
-->
SELECT id FROM orders WHERE NOT cust IN (1, 2)

SELECT id FROM orders WHERE note = ANY ('{a,b}'::text[])
-->
SELECT id FROM orders WHERE note IN ('a', 'b')

SELECT id FROM orders WHERE d = ANY ('{2024-01-01,2024-02-01}'::date[])
-->
SELECT id FROM orders WHERE d IN ('2024-01-01'::date, '2024-02-01'::date)

SELECT id FROM orders WHERE cust = ANY ('{}'::integer[])
-->
SELECT id FROM orders WHERE false

SELECT id FROM orders WHERE cust <> ALL ('{}'::integer[])
-->
SELECT id FROM orders WHERE true

SELECT id FROM orders WHERE cust = ANY ('{1,NULL}'::integer[])
-->
=

SELECT id FROM orders WHERE note = ANY ('{"a b",c}'::text[])
-->
=

SELECT id FROM orders WHERE note = ANY ('{a,null}'::text[])
-->
=

SELECT id FROM orders WHERE cust = ANY (ARRAY[1, 2, '-3'::integer])
-->
SELECT id FROM orders WHERE cust IN (1, 2, -3)

SELECT id FROM orders WHERE cust = ANY (ARRAY['5'::bigint])
-->
SELECT id FROM orders WHERE cust IN (5)

SELECT id FROM orders WHERE note <> ALL (ARRAY['a b'::text, 'it''s'::text])
-->
SELECT id FROM orders WHERE NOT note IN ('a b', 'it''s')

SELECT id FROM orders WHERE d = ANY (ARRAY['2024-01-01'::date])
-->
SELECT id FROM orders WHERE d IN ('2024-01-01'::date)

SELECT id FROM orders WHERE note = ANY (ARRAY['a'::text, NULL::text])
-->
=

SELECT id FROM orders WHERE cust = ANY (ARRAY[id, 2])
-->
=

SELECT id FROM orders WHERE cust = ANY (('{1,2}'::integer[])::integer[])
-->
SELECT id FROM orders WHERE cust IN (1, 2)
