-- How long calls took over time: of each span the newest that went out, so that a span costs the same whatever it has.
SELECT spans.at, count(*),
  coalesce(percentile_disc(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY first_byte_ns) FILTER (WHERE first_byte_ns > 0), '{0,0,0}'),
  percentile_disc(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY duration_ns)
FROM generate_series($1::timestamptz, $2::timestamptz - INTERVAL '1 microsecond', $3::interval) AS spans (at)
CROSS JOIN LATERAL (SELECT first_byte_ns, duration_ns FROM entries
  WHERE ts >= spans.at AND ts < least(spans.at + $3::interval, $2) AND action NOT IN ('throttle', 'deny') ORDER BY ts DESC LIMIT $4) AS newest
GROUP BY spans.at ORDER BY spans.at
