-- peek.lua: what limits count now, without touching them.
--
-- KEYS[1] is the organisation's memory mark; the others are cells. ARGV: unseeded (0/1), then for each its kind, and the period in microseconds and max of a rate.
-- Reply: nothing where the organisation's counters are lost; for each cell {used, posted, then pairs: c and what is orphaned, v and what is void, a and what was forgiven, r and what was taken over}; of a
-- rate used is what is not free now.
-- The cells are described in admit.lua.
local BUCKET_MS = 15000
if ARGV[1] == '0' and redis.call('EXISTS', KEYS[1]) == 0 then return {} end
local time = redis.call('TIME')
local now_us = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now_bucket = math.floor(now_us / 1000 / BUCKET_MS)
local reply = {}
for i = 2, #KEYS do
  local at = (i - 2) * 3 + 1
  local one = { '0', '0' }
  if ARGV[at + 1] == 'R' then
    local cell = redis.call('GET', KEYS[i])
    local ahead = 0
    if cell then
      local z, x = string.match(cell, '^(%S+) (%S+)')
      ahead = math.max(0, tonumber(x) - (now_us - tonumber(z)))
    end
    one[1] = string.format('%.0f', math.ceil(ahead * tonumber(ARGV[at + 3]) / tonumber(ARGV[at + 2]) - 0.000001))
  else
    local all = redis.call('HGETALL', KEYS[i])
    for j = 1, #all, 2 do
      local kind, digits = string.match(all[j], '^([vc])(%d+)$')
      if all[j] == 'u' then
        one[1] = all[j + 1]
      elseif all[j] == 's' then
        one[2] = all[j + 1]
      elseif all[j] == 'a' or all[j] == 'r' then
        one[#one + 1] = all[j]
        one[#one + 1] = all[j + 1]
      elseif kind and tonumber(digits) < now_bucket and all[j + 1] ~= '0' then
        one[#one + 1] = kind
        one[#one + 1] = all[j + 1]
      end
    end
  end
  reply[i - 1] = one
end
return reply
