-- A service's minutes, each divided by the number of processes that scored the service in it. Latencies and failures are of the entries alone.
WITH sums AS (
  SELECT bucket, sum(calls)::float8 AS calls, sum({input})::float8 AS prompt, sum({output})::float8 AS completion, sum(cost_nusd)::float8 AS cost
  FROM usage_1m WHERE service = $1 AND bucket >= $2 AND bucket < $3 AND action NOT IN ('throttle', 'deny') GROUP BY bucket),
seen AS (
  SELECT ts, count(*)::float8 AS processes FROM scores WHERE service = $1 AND ts >= $2 AND ts < $3 GROUP BY ts),
details AS (
  SELECT date_trunc('minute', ts, 'UTC') AS minute, avg(duration_ns)::float8 / 1e6 AS latency,
    (count(*) FILTER (WHERE status >= 400 OR status = 0))::float8 / count(*) AS errors
  FROM entries WHERE service = $1 AND ts >= greatest($2, $4) AND ts < $3 AND action NOT IN ('throttle', 'deny') GROUP BY 1)
SELECT bucket, calls / n, prompt / n, completion / n, cost / 1e9 / n, latency, errors
FROM (SELECT *, greatest(coalesce(processes, 1), 1) AS n FROM sums LEFT JOIN seen ON ts = bucket LEFT JOIN details ON minute = bucket) all_of_it
ORDER BY bucket LIMIT $5
