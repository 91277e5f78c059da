-- Single calls, the newest first.
SELECT {columns} FROM entries {where} ORDER BY ts DESC, call_id DESC, attempt DESC
