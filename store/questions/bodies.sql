-- Captured bodies that have not expired, the newest call first, the request before the response.
SELECT expires, call_id, attempt, part, ts, org, team, service, provider, endpoint, model, size, key, {sealed}
FROM bodies {where} ORDER BY ts DESC, call_id, attempt, part
