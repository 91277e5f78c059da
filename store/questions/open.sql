-- Calls in flight: held, and without an entry.
SELECT org, call_id, attempt, hold FROM intents i
WHERE hold <> '' AND org = ANY ($1) AND NOT EXISTS (SELECT FROM entries e WHERE e.ts = i.ts AND e.call_id = i.call_id AND e.attempt >= i.attempt)
LIMIT $2
