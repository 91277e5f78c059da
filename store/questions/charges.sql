-- What is charged, by payer and what was called, in hours or days of UTC. Refused calls that cost nothing are no charges.
SELECT date_trunc($3::text, ts, 'UTC'), org, team, service, provider, endpoint, model, tier,
  count(*), count(*) FILTER (WHERE method <> ''), sum(cost_nusd)::bigint,
  count(*) FILTER (WHERE own_input_tokens + own_output_tokens > 0), sum(own_input_tokens)::bigint, sum(own_output_tokens)::bigint, {units}
FROM entries WHERE ts >= $1 AND ts < $2 AND NOT (action IN ('throttle', 'deny') AND cost_nusd = 0)
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8 ORDER BY 1, 2, 3, 4, 5, 6, 7, 8
