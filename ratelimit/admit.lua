-- admit.lua: one admission over all limits of a call. It checks everything, then commits everything or nothing.
--
-- KEYS[1] is the call's own key; the others are cells. ARGV:
--   ttl_ms, candidates, then for each candidate: limits, then for each limit:
--   key index, kind (R rate, W window, N concurrent), max, period_us, charge (0/1), soft (0/1), amount, window end ms
-- Reply: {chosen, bucket, denials, {candidate, limit, remaining, wait_us}…, levels, {limit, remaining, reset_us}…},
-- all indices from 0; chosen is -1 when no candidate fits.
--
-- Lua numbers are doubles, exact to 2^53 only. Window amounts can be larger, so they are read as
-- two numbers, billions and the rest, and are only ever changed by HINCRBY. Rates are microseconds.
local BILLION = 1000000000
local BUCKET_MS = 15000
local FARTHEST_US = 1000000000000000 -- 31 years: an overdrawn soft rate stays a number that is exact

local time = redis.call('TIME')
local now_us = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now_ms = math.floor(now_us / 1000)
local now_bucket = math.floor(now_ms / BUCKET_MS)

local function split(s)
  local n = #s
  if n <= 9 then return 0, tonumber(s) end
  return tonumber(string.sub(s, 1, n - 9)), tonumber(string.sub(s, n - 8))
end

local function join(hi, lo)
  if hi == 0 then return string.format('%.0f', lo) end
  return string.format('%.0f%09.0f', hi, lo)
end

local function add(hi, lo, s)
  local h, l = split(s)
  hi, lo = hi + h, lo + l
  if lo >= BILLION then return hi + 1, lo - BILLION end
  return hi, lo
end

-- left gives max - used as a text, "0" when it is negative.
local function left(max, hi, lo)
  local h, l = split(max)
  h, l = h - hi, l - lo
  if l < 0 then h, l = h - 1, l + BILLION end
  if h < 0 then return '0' end
  return join(h, l)
end

-- used sums a cell's posted and pending amounts. Buckets that died long ago are folded away: void ones
-- vanish, charged ones are counted as unreconciled in the field "dead".
local function used(key, charge)
  local hi, lo = 0, 0
  local all = redis.call('HGETALL', key)
  for i = 1, #all, 2 do
    local field, value = all[i], all[i + 1]
    local digits = string.match(field, '^p(%d+)$')
    local bucket = digits and tonumber(digits)
    if bucket and bucket < now_bucket and not charge then
      redis.call('HDEL', key, field)
    else
      if string.sub(value, 1, 1) ~= '-' then hi, lo = add(hi, lo, value) end
      if bucket and bucket < now_bucket then
        redis.call('HINCRBY', key, 'dead', value)
        redis.call('HDEL', key, field)
      end
    end
  end
  return hi, lo
end

local at = 3
local function read_limit()
  local l = {
    key = KEYS[tonumber(ARGV[at])], kind = ARGV[at + 1], max = ARGV[at + 2], period = tonumber(ARGV[at + 3]),
    charge = ARGV[at + 4] == '1', soft = ARGV[at + 5] == '1', amount = ARGV[at + 6], end_ms = tonumber(ARGV[at + 7]),
  }
  at = at + 8
  return l
end

-- check fills in what is left of a limit before this call, and whether the call fits.
local function check(l)
  if l.kind == 'R' then
    local tat = math.max(tonumber(redis.call('GET', l.key) or '0'), now_us)
    local step = math.ceil(tonumber(l.amount) * l.period / tonumber(l.max))
    l.tat = math.min(tat + step, now_us + FARTHEST_US)
    l.fits = l.tat - now_us <= l.period
    l.before = string.format('%.0f', math.max(0, math.floor((l.period - (tat - now_us)) * tonumber(l.max) / l.period)))
    l.after = string.format('%.0f', math.max(0, math.floor((l.period - (l.tat - now_us)) * tonumber(l.max) / l.period)))
    l.wait = step > l.period and 0 or l.tat - now_us - l.period
    l.reset, l.reset_after = tat - now_us, l.tat - now_us
    return
  end
  local hi, lo = used(l.key, l.charge)
  l.before = left(l.max, hi, lo)
  hi, lo = add(hi, lo, l.amount)
  l.after = left(l.max, hi, lo)
  local mh, ml = split(l.max)
  l.fits = hi < mh or (hi == mh and lo <= ml)
  if l.kind == 'W' then
    l.wait = math.max(0, l.end_ms - now_ms) * 1000
    local ah, al = split(l.amount)
    if ah > mh or (ah == mh and al > ml) then l.wait = 0 end
    l.reset = math.max(0, l.end_ms - now_ms) * 1000
  else
    l.wait, l.reset = 1000000, 0
  end
end

local ttl_ms = tonumber(ARGV[1])
local known = redis.call('GET', KEYS[1])
if known and known ~= 's' then
  local chosen, bucket = string.match(known, '^(%d+) (%d+)$')
  return { chosen, bucket, '0', '0' }
end

local candidates = {}
for c = 1, tonumber(ARGV[2]) do
  local limits = {}
  local n = tonumber(ARGV[at])
  at = at + 1
  for i = 1, n do limits[i] = read_limit() end
  candidates[c] = limits
end

local denials, chosen = {}, -1
if not known then
  for c, limits in ipairs(candidates) do
    local refused
    for i, l in ipairs(limits) do
      check(l)
      if not l.fits and not l.soft and not refused then refused = i end
    end
    if not refused then
      chosen = c - 1
      break
    end
    local l = limits[refused]
    denials[#denials + 1] = { c - 1, refused - 1, l.before, l.wait }
  end
end

local bucket = math.floor((now_ms + ttl_ms) / BUCKET_MS)
if chosen >= 0 then
  for _, l in ipairs(candidates[chosen + 1]) do
    if l.kind == 'R' then
      redis.call('SET', l.key, string.format('%.0f', l.tat), 'PX', math.ceil(math.max(1000, (l.tat - now_us) / 1000)))
    else
      redis.call('HINCRBY', l.key, 'p' .. bucket, l.amount)
      if l.kind == 'W' then
        redis.call('PEXPIREAT', l.key, string.format('%.0f', l.end_ms + 86400000))
      else
        -- only ever later: a short hold must not take longer ones with it
        local life = ttl_ms + 2 * BUCKET_MS
        if redis.call('PTTL', l.key) < life then redis.call('PEXPIRE', l.key, string.format('%.0f', life)) end
      end
    end
  end
  redis.call('SET', KEYS[1], chosen .. ' ' .. string.format('%.0f', bucket), 'PX', string.format('%.0f', ttl_ms + 3600000))
end

local reply = { string.format('%d', chosen), string.format('%.0f', bucket), tostring(#denials) }
for _, d in ipairs(denials) do
  reply[#reply + 1] = tostring(d[1])
  reply[#reply + 1] = tostring(d[2])
  reply[#reply + 1] = d[3]
  reply[#reply + 1] = string.format('%.0f', d[4])
end
local levels = candidates[math.max(chosen, 0) + 1] or {}
reply[#reply + 1] = tostring(#levels)
for i, l in ipairs(levels) do
  reply[#reply + 1] = tostring(i - 1)
  reply[#reply + 1] = chosen >= 0 and (l.after or '0') or (l.before or '0')
  reply[#reply + 1] = string.format('%.0f', chosen >= 0 and l.reset_after or l.reset or 0)
end
return reply
