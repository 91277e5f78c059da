-- What people said of services' anomalies, the oldest first: of each incident the last that was said of it, at its end if it was said later.
SELECT at, service, what FROM (
  SELECT DISTINCT ON (h.incident, i.opened) least(h.at, i.resolved) AS at, split_part(i.scope, '/', 2) AS service, h.what, h.seq
  FROM incident_history h
  CROSS JOIN LATERAL (SELECT opened, resolved, scope FROM incidents WHERE id = h.incident AND opened <= h.at ORDER BY opened DESC LIMIT 1) i
  WHERE h.at >= $1 AND h.what = ANY ($2) AND i.scope LIKE 'service/%/any'
  ORDER BY h.incident, i.opened, h.seq DESC) said
ORDER BY seq LIMIT $3
