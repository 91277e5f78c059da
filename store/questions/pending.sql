-- Calls without an entry that are overdue: the asking process's own, and those of processes that have been silent for 30 s.
SELECT {columns} FROM intents i
WHERE (i.instance = $1 AND i.ts < $2 OR i.instance <> $1 AND i.ts < $3 AND NOT EXISTS (
    SELECT FROM instances h WHERE h.instance = i.instance AND h.beat > now() - INTERVAL '30 s'))
  AND NOT EXISTS (SELECT FROM entries e WHERE e.ts = i.ts AND e.call_id = i.call_id AND e.attempt >= i.attempt)
ORDER BY i.ts, i.call_id LIMIT $4
