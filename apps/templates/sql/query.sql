SELECT number, number * number AS square
FROM generate_series(1, 10) AS number
WHERE number >= %(least)s
ORDER BY number
