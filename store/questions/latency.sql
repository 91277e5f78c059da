-- How long the newest calls took, and how they ended: by a dimension, and all of them together. Quantiles are by the nearest rank.
SELECT coalesce(key, ''), grouping(key) = 1, count(*),
  count(*) FILTER (WHERE refused), count(*) FILTER (WHERE NOT refused AND status = 429), count(*) FILTER (WHERE NOT refused AND (status >= 500 OR status = 0)),
  count(*) FILTER (WHERE NOT refused AND price_version IN ('{flat}', '{unpriced}')), min(ts),
  coalesce(percentile_disc(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY first_byte_ns) FILTER (WHERE NOT refused AND first_byte_ns > 0), '{0,0,0}'),
  coalesce(percentile_disc(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY duration_ns) FILTER (WHERE NOT refused), '{0,0,0}')
FROM (SELECT {key} AS key, ts, action IN ('throttle', 'deny') AS refused, status, price_version, first_byte_ns, duration_ns
  FROM entries {where} ORDER BY ts DESC, call_id DESC, attempt DESC {limit}) AS newest
GROUP BY GROUPING SETS ((key), ()) ORDER BY 2, 3 DESC, 1
