-- Intents whose entry has come: two processes that write the two at the same moment do not see each other's row.
DELETE FROM intents WHERE (ts, call_id) IN (
    SELECT i.ts, i.call_id FROM intents i
    WHERE i.ts < $1 AND EXISTS (SELECT FROM entries e WHERE e.ts = i.ts AND e.call_id = i.call_id AND e.attempt >= i.attempt)
    ORDER BY i.ts, i.call_id LIMIT $2 FOR UPDATE OF i SKIP LOCKED)
