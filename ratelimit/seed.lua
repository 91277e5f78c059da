-- seed.lua: gives an organisation that Redis has forgotten its counters back, all of them or none. Who comes second
-- changes nothing, so processes may race.
--
-- KEYS: the organisation's memory mark, the round, since when it is lost, then for each process two: its part in the round and the memory mark of its
-- organisation, then cells, then records of calls in flight. ARGV: the round, processes, cells, then for each cell:
--   when it ends and when its key does (ms), used, posted ("" of slots), the highest share that was warned of, its oldest bucket (or ""), "1" where
--   organisations share it, twice the fields of holds, each of them and its amount; then for each record its text and its life in ms.
-- Reply: 1 done, 0 somebody else has been here, or the round is not what it was.
if redis.call('EXISTS', KEYS[1]) == 1 or redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
local at, processes = 3, tonumber(ARGV[2])
for i = 1, processes do
  -- One whose organisation has its counters needs none: what is shared is there, too.
  if redis.call('GET', KEYS[at + 1]) ~= ARGV[1] and redis.call('EXISTS', KEYS[at + 2]) == 0 then return 0 end
  at = at + 2
end
local time = redis.call('TIME')
local now_ms = math.floor((tonumber(time[1]) * 1000000 + tonumber(time[2])) / 1000)
local arg = 4
for _ = 1, tonumber(ARGV[3]) do
  at = at + 1
  local key, life, posted, oldest, n = KEYS[at], tonumber(ARGV[arg + 1]) - now_ms, ARGV[arg + 3], ARGV[arg + 5], tonumber(ARGV[arg + 7])
  local over = posted ~= '' and tonumber(ARGV[arg]) <= now_ms -- a window that has ended gives nothing to the next
  if life > 0 and not over and (ARGV[arg + 6] ~= '1' or redis.call('EXISTS', key) == 0) then
    redis.call('DEL', key)
    redis.call('HSET', key, 'u', ARGV[arg + 2], 'e', ARGV[arg])
    if posted ~= '' then redis.call('HSET', key, 's', posted, 'w', ARGV[arg + 4], 'r', '0') end -- of the window before nothing is known
    if oldest ~= '' then redis.call('HSET', key, 'o', oldest) end
    for f = arg + 8, arg + 7 + n, 2 do redis.call('HSET', key, ARGV[f], ARGV[f + 1]) end
    redis.call('PEXPIRE', key, life)
  end
  arg = arg + 8 + n
end
for i = at + 1, #KEYS do
  redis.call('SET', KEYS[i], ARGV[arg], 'PX', ARGV[arg + 1])
  arg = arg + 2
end
redis.call('DEL', KEYS[2], KEYS[3])
redis.call('SET', KEYS[1], ARGV[1])
return 1
