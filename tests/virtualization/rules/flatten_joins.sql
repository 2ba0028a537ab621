SELECT o.id FROM ((orders o JOIN customer c ON o.cust = c.id) LEFT JOIN visits v ON v.id = o.id)
-->
SELECT o.id FROM orders o INNER JOIN customer c ON o.cust = c.id LEFT JOIN visits v ON v.id = o.id

SELECT o.id FROM orders o LEFT JOIN (customer c JOIN visits v ON v.id = c.id) ON o.id = c.id
-->
SELECT o.id FROM orders o LEFT JOIN (customer c INNER JOIN visits v ON v.id = c.id) ON o.id = c.id

SELECT o.id FROM orders o, customer c RIGHT JOIN visits v ON v.id = c.id
-->
SELECT o.id FROM orders o CROSS JOIN (customer c RIGHT JOIN visits v ON v.id = c.id)

SELECT o.id FROM orders o JOIN customer c ON (((o.id = c.id)) AND ((c.id > 1)))
-->
SELECT o.id FROM orders o INNER JOIN customer c ON o.id = c.id AND c.id > 1
