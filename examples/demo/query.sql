-- What does each neighbourhood pay in tax on the sales since 2024, and what are its houses worth?
-- house: a CSV in HDFS; legacy.*: another PostgreSQL; tax_rates: a local table of the master.
SELECT n.name, h.houses, round(h.value, 2) AS value, s.sales, s.turnover, round(s.turnover * t.rate, 2) AS tax
FROM (SELECT "RAD" AS id, count(*) AS houses, avg("MEDV") AS value FROM house GROUP BY "RAD") AS h
JOIN legacy.neighbourhoods AS n ON n.id = h.id
JOIN (SELECT neighbourhood_id AS id, count(*) AS sales, sum(price) AS turnover
      FROM legacy.sales WHERE sold_on >= DATE '2024-01-01' GROUP BY neighbourhood_id) AS s ON s.id = n.id
JOIN tax_rates AS t ON t.id = n.id
ORDER BY tax DESC
LIMIT 5
