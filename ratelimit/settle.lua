-- settle.lua: ends one reservation with what the call really took. It resolves at most once.
--
-- KEYS[1] is the call's own key; the others are cells, in the order of the entries. ARGV:
--   bucket, then for each entry: kind, held, actual, charge (0/1), max, period_us, window end ms
-- Reply: 1 settled, 0 it had been settled before.
local BUCKET_MS = 15000
local SETTLED_MS = 1800000
local FARTHEST_US = 1000000000000000 -- as in admit.lua

if redis.call('GET', KEYS[1]) == 's' then return 0 end

local time = redis.call('TIME')
local now_us = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now_ms = math.floor(now_us / 1000)
local pending = 'p' .. ARGV[1]

-- minus negates an amount. Redis refuses "-0", and a script that fails halfway would post twice.
local function minus(amount) return amount == '0' and '0' or '-' .. amount end

-- release takes the hold off the bucket that has it; a bucket that died meanwhile was folded
-- into "dead" when it is charged, and is gone when it is void.
local function release(key, held, charge)
  if redis.call('HEXISTS', key, pending) == 1 then
    if tostring(redis.call('HINCRBY', key, pending, minus(held))) == '0' then redis.call('HDEL', key, pending) end
  elseif charge and redis.call('HEXISTS', key, 'dead') == 1 then
    redis.call('HINCRBY', key, 'dead', minus(held))
  end
end

for i = 2, #KEYS do
  local at = 2 + (i - 2) * 7
  local key, kind, held, actual = KEYS[i], ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local charge, max, period, end_ms = ARGV[at + 3] == '1', ARGV[at + 4], tonumber(ARGV[at + 5]), tonumber(ARGV[at + 6])
  if kind == 'R' then
    local tat = tonumber(redis.call('GET', key) or '0')
    local back = math.floor((tonumber(held) - tonumber(actual)) * period / tonumber(max))
    if back < 0 or tat > now_us then
      tat = math.min(math.max(tat, now_us) - back, now_us + FARTHEST_US)
      local ttl = math.ceil((tat - now_us) / 1000)
      if ttl > 0 then
        redis.call('SET', key, string.format('%.0f', tat), 'PX', math.max(ttl, 1000))
      else
        redis.call('DEL', key)
      end
    end
  else
    release(key, held, charge)
    if kind == 'W' and end_ms + 86400000 > now_ms then
      if actual ~= '0' then redis.call('HINCRBY', key, 's', actual) end
      redis.call('PEXPIREAT', key, string.format('%.0f', end_ms + 86400000))
    end
  end
end
redis.call('SET', KEYS[1], 's', 'PX', SETTLED_MS)
return 1
