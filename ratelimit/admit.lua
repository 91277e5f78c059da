-- admit.lua: one admission over all limits of a call. It checks everything, then commits everything or nothing:
-- a refused call writes to no cell but the one that refused it, and there only that its budget was seen to be spent.
--
-- KEYS[1] is the call's record, KEYS[2] the organisation's memory mark; the others are cells. ARGV:
--   ttl_ms, unseeded (0: an organisation without memory is refused, 1: it begins), shadows, candidates,
--   then for each candidate: limits, then for each limit:
--   four letters: kind (R rate, W window, N concurrent), charge (0/1, - for one that is only looked at), soft (0/1), warn (0/1); max;
--   the period in µs of a rate, the end in ms of a window; amount,
--   then for each shadow the same again: candidates, limits, …
-- Some have more to say, in a text with spaces: limits "n least most" of a candidate whose answer may be cut to least tokens, and then each amount
-- "amount base step"; max "max kept" of a rate of which this call must leave a part; the letters "RWN… key_index" of a limit whose cell does not stand at
-- its own place among the limits, and "W… key_index last_key_index most kept_ms max" of a window that takes over
-- what the one under that last key has left, up to most, and whose own cell is kept so long after its end.
-- Reply: {chosen and 16 times the tokens to which its answer was cut, bucket, at_us, marks, mark…, shadows, {chosen, marks, mark…}…, denials, {candidate, limit, remaining, wait_us, spent}…,
-- levels, {remaining, reset_us}…, and for each shadow: denials, {candidate, limit, remaining, wait_us}…}, all indices from 0; chosen
-- is -1 when no candidate fits, and -2 when the organisation's counters are not there.
--
-- A shadow is judged as its policy would judge the call, and decides nothing. What it holds is in cells of its own.
--
-- A window's or concurrency's cell is a hash: u used (posted and held), s posted, f<bucket> held until the bucket dies
-- (v void, c charged), o the oldest bucket that may have to be buried, e when the key ends, w the share last warned of,
-- r what it has taken over.
-- A rate's cell is "z x g": GCRA's arrival time is z + x, z is when the cell was last idle, g what was given back since.
local RECORD_MS = 172800000 -- an unsettled call is remembered for two days: the reconciler may come late

local memory = call('MGET', unpack(KEYS)) -- rates are texts, like the first two; of other cells it gives nothing
if not memory[2] and ARGV[2] == '0' then return { -2 } end
local known = memory[1]
if known and known ~= 's' then
  local reply = {}
  for word in string.gmatch(known, '%S+') do reply[#reply + 1] = word end
  local at_shadows = 5 + tonumber(reply[4])
  reply[at_shadows] = reply[at_shadows] or '0' -- the release before this one wrote none
  for _ = 1, 2 + tonumber(reply[at_shadows]) do reply[#reply + 1] = 0 end -- no denials, no levels
  return reply
end
local time = redis.call('TIME')
local now_us = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now_ms = floor(now_us / 1000)
local now_bucket = floor(now_ms / BUCKET_MS)
local ttl_ms = tonumber(ARGV[1])
local bucket = floor((now_ms + ttl_ms) / BUCKET_MS)
-- Redis writes a number that Lua hands it with 17 digits after a search for them, and Lua one that it joins to a text with 14: for integers format is the fastest.
local bucket_text = format('%d', bucket)
local void, charged = 'v' .. bucket_text, 'c' .. bucket_text

-- arrival gives a rate's z, x and g now, how far it is ahead, and how far it would be with n more.
local function arrival(cell, n, max, period)
  local z, x, g = now_us, 0, 0
  if cell then
    z, x, g = match(cell, '^(%S+) (%S+) (%S+)$')
    z, x, g = tonumber(z), tonumber(x), tonumber(g)
    if x <= now_us - z then z, x, g = now_us, 0, 0 end
  end
  local ahead = x - (now_us - z)
  return z, x, g, ahead, math.min(ahead + n * period / max, FARTHEST_US)
end

-- slack is less than one unit of a rate: what doubles round.
local function slack(max, period) return math.min(0.5, 0.5 * period / max) end

-- pace writes a rate's cell, unless z is false, and gives its mark.
local function pace(key, z, g, after)
  if z then call('SET', key, rate_text(z, after + (now_us - z), g), 'PX', rate_life(after)) end
  return format('%d', floor(after + g))
end

-- units is how much of a rate fits into so many microseconds.
local function units(us, max, period) return math.max(0, floor(us * max / period + 0.000001)) end

-- usual admits what nearly every call is: its first candidate fits, all cells are there and have no dead bucket, and amounts are below 10^15. It takes about 60 % of
-- the time of what follows, which does the same for all calls: it makes no table for each limit. It writes once all fits, or gives nothing and leaves all as it was.
local function usual()
  if known or ARGV[3] ~= '0' or not memory[2] then return end
  local count, cut = ARGV[5], false
  local n = tonumber(count)
  if not n then
    count, cut = match(count, '^%d+'), true
    n = tonumber(count)
  end
  local first = { 0, 0, 0, 0, 0, 0, 0, 0 } -- used, or how far a rate is ahead
  local second = { 0, 0, 0, 0, 0, 0, 0, 0 } -- held until this bucket dies, or z; false where nothing is taken
  local third = { 0, 0, 0, 0, 0, 0, 0, 0 } -- g, or whether this bucket is the oldest
  local reply = { '0', bucket_text, format('%d', now_us), count, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }
  local levels = n + 5
  reply[levels], reply[levels + 1], reply[levels + 2] = '0', 0, n -- neither shadows nor denials
  for i = 1, n do
    local p = 2 + i * 4
    local what, max, amount = ARGV[p], ARGV[p + 1], ARGV[p + 3]
    if cut then amount = match(amount, '^%d+') end
    if #what > 4 or #max > 15 or #amount > 15 then return end
    local kind, charge, soft = byte(what, 1, 3)
    max, amount = tonumber(max), tonumber(amount)
    if not max or charge == NONE then return end
    local left, reset, held
    if kind == R then
      local period = tonumber(ARGV[p + 2])
      local z, _, g, _, after = arrival(memory[i + 2], amount, max, period)
      if after > period + slack(max, period) and soft == ZERO then return end
      first[i], held, third[i] = after, z, g
      left, reset = units(period - after, max, period), math.ceil(after)
    else
      local cell = call('HMGET', KEYS[i + 2], 'u', 'o', 'e', charge == ONE and charged or void)
      local used, oldest, ends = cell[1], tonumber(cell[2] or '0'), tonumber(cell[3] or '0')
      held = cell[4] or '0'
      if not used or #used > 15 or #held > 15 or oldest < now_bucket then return end
      if kind == N then
        if ends < now_ms + ttl_ms + 2 * BUCKET_MS then return end
        reset = 0
      else
        if cell[3] ~= ARGV[p + 2] or ends <= now_ms then return end
        reset = (ends - now_ms) * 1000
      end
      used = used + amount
      if used > max and soft == ZERO then return end
      first[i], held, third[i] = used, held + amount, bucket < oldest
      left = math.max(0, max - used)
    end
    second[i] = amount > 0 and held
    reply[levels + 2 * i + 1], reply[levels + 2 * i + 2] = left, reset
  end
  for i = 1, n do
    local key, held, mark = KEYS[i + 2], second[i], '0'
    local kind, charge = byte(ARGV[2 + i * 4], 1, 2)
    if kind == R then
      mark = pace(key, held, third[i], first[i])
    elseif held then
      local field, used = charge == ONE and charged or void, first[i]
      if third[i] then
        call('HSET', key, 'u', format('%d', used), field, format('%d', held), 'o', bucket_text)
      else
        call('HSET', key, 'u', format('%d', used), field, format('%d', held))
      end
    end
    reply[4 + i] = mark
  end
  call('SET', KEYS[1], table.concat(reply, ' ', 1, levels), 'PX', format('%d', ttl_ms + RECORD_MS))
  for i = #reply, levels + 3 + 2 * n, -1 do reply[i] = nil end
  return reply
end

local answer = usual()
if answer then return answer end
