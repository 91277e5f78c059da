-- seed.lua: gives an organisation that Redis has forgotten its counters back, all of them or none. Who comes second
-- changes nothing, so processes may race.
--
-- KEYS[1] is the organisation's memory mark; the others are cells of windows. ARGV: for each cell posted, window end ms, and
-- the highest share that was warned of.
-- Reply: 1 done, 0 somebody else has been here.
local KEPT_MS = 86400000
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local time = redis.call('TIME')
local now_us = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now_ms = math.floor(now_us / 1000)
for i = 2, #KEYS do
  local at = (i - 2) * 3
  local life = tonumber(ARGV[at + 2]) + KEPT_MS - now_ms
  if life > 0 and redis.call('EXISTS', KEYS[i]) == 0 then
    redis.call('HSET', KEYS[i], 'u', ARGV[at + 1], 's', ARGV[at + 1], 'e', ARGV[at + 2], 'w', ARGV[at + 3])
    redis.call('PEXPIRE', KEYS[i], life)
  end
end
redis.call('SET', KEYS[1], string.format('%.0f', now_us))
return 1
