-- Every call of a period, the oldest first.
SELECT {columns} FROM entries WHERE ts >= $1 AND ts < $2 ORDER BY ts, call_id, attempt
