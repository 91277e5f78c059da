-- Which calls have an entry or an intent.
SELECT call_id FROM entries WHERE ts >= $1 AND ts < $2 AND call_id = ANY ($3)
UNION SELECT call_id FROM intents WHERE ts >= $1 AND ts < $2 AND call_id = ANY ($3)
