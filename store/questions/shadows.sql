-- What shadows would have made of calls.
SELECT shadow, action, count(*) FROM entries WHERE ts >= $1 AND ts < $2 AND shadow <> '' GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT $3
