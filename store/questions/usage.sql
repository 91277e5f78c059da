-- What was used and what it cost, by any dimensions: over the entries, or over their sums by minute, hour or day. sum(bigint) is numeric, so no
-- sum wraps.
SELECT {keys}
  coalesce({calls}, 0)::bigint,
  coalesce({calls} FILTER (WHERE action IN ('throttle', 'deny')), 0)::bigint,
  coalesce({calls} FILTER (WHERE action = 'downgrade'), 0)::bigint,
  coalesce({estimated}, 0)::bigint,
  coalesce(sum({input}), 0)::bigint,
  coalesce(sum(cached_input_tokens), 0)::bigint,
  coalesce(sum({output}), 0)::bigint,
  coalesce(sum(cost_nusd), 0)::bigint AS cost
FROM {table} {where}
{grouping}
