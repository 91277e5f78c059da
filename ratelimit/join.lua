-- join.lua: a process takes part in counting an organisation's limits again, after Redis has lost them.
--
-- KEYS: the organisation's memory mark, the round, since when it is lost, and this process' part. ARGV: the round up to which this process' records are
-- in the ledger, and none after it (0: of none), the round that it gives up (0: none), for how long its part is believed in ms.
-- Reply: {memory mark or nothing, round, ms since the loss was seen}
local memory = redis.call('GET', KEYS[1])
if memory then return { memory, '0', 0 } end
local time = redis.call('TIME')
local now = string.format('%.0f', tonumber(time[1]) * 1000000 + tonumber(time[2]))
local round = redis.call('GET', KEYS[2])
if not round or round == ARGV[2] then
  round = now
  redis.call('SET', KEYS[2], round)
end
redis.call('SET', KEYS[3], now, 'NX')
redis.call('SET', KEYS[4], ARGV[1] == round and round or 'here', 'PX', ARGV[3])
return { '', round, math.floor((tonumber(now) - tonumber(redis.call('GET', KEYS[3]))) / 1000) }
