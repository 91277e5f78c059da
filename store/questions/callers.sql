-- Services that called in a period, those with the most calls first.
SELECT min(org), min(team), service FROM usage_1h WHERE bucket >= $1 AND bucket < $2 AND service <> ''
GROUP BY service ORDER BY sum(calls) DESC, service LIMIT $3
