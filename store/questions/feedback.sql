-- What people said of services' anomalies, the oldest first.
SELECT h.at, split_part(i.scope, '/', 2), h.what
FROM incident_history h JOIN incidents i ON i.id = h.incident AND i.opened <= h.at AND (i.resolved IS NULL OR i.resolved >= h.at)
WHERE h.at >= $1 AND h.what = ANY ($2) AND i.scope LIKE 'service/%/any'
ORDER BY h.seq LIMIT $3
