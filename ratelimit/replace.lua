-- replace.lua: corrects what one window has posted, if it is still what was seen. Holds in flight stay.
--
-- KEYS[1] is a cell, KEYS[2] the organisation's memory mark. ARGV: used and posted as they were seen, both as they shall be, what is forgiven by a
-- reset in all, or empty for none, window end ms.
-- Reply: 1 done, 0 the cell has changed, or all counters are lost.
local KEPT_MS = 86400000
if redis.call('EXISTS', KEYS[2]) == 0 then return 0 end
local seen = redis.call('HMGET', KEYS[1], 'u', 's', 'e')
if (seen[1] or '0') ~= ARGV[1] or (seen[2] or '0') ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], 'u', ARGV[3], 's', ARGV[4])
if ARGV[5] ~= '' then
  redis.call('HSET', KEYS[1], 'a', ARGV[5])
  redis.call('HDEL', KEYS[1], 'w')
end
if not seen[3] then
  local now_ms = tonumber(redis.call('TIME')[1]) * 1000
  redis.call('HSET', KEYS[1], 'e', ARGV[6])
  redis.call('PEXPIRE', KEYS[1], math.max(1, tonumber(ARGV[6]) + KEPT_MS - now_ms))
end
return 1
