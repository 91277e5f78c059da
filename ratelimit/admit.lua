-- admit.lua: one admission over all limits of a call. It checks everything, then commits everything or nothing:
-- a refused call writes to no cell but the one that refused it, and there only that its budget was seen to be spent.
--
-- KEYS[1] is the call's record, KEYS[2] the organisation's memory mark; the others are cells. ARGV:
--   ttl_ms, unseeded (0: an organisation without memory is refused, 1: it begins), candidates,
--   then for each candidate: limits, then for each limit:
--   key index, kind (R rate, W window, N concurrent), max, period_us, charge (0/1, - for one that is only looked at), soft (0/1), warn (0/1),
--   amount, window end ms,
--   then shadows, and for each the same again: candidates, limits, …
-- Some have more to say, in a text with spaces: limits "n least most" of a candidate whose answer may be cut to least tokens, and then each amount
-- "amount base step"; max "max kept" of a rate of which this call must leave a part; warn "warn key_index most kept_ms max" of a window that takes over
-- what the one under that key has left, up to most, and whose own cell is kept so long after its end.
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
local time = redis.call('TIME')
local now_us = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now_ms = floor(now_us / 1000)
local now_bucket = floor(now_ms / BUCKET_MS)
local ttl_ms = tonumber(ARGV[1])
local bucket = floor((now_ms + ttl_ms) / BUCKET_MS)
local void, charged = 'v' .. bucket, 'c' .. bucket

-- bury takes the void holds of dead buckets off what is used. Charged ones stay until they are settled.
local function bury(l, hi, lo)
  l.dead, l.oldest = {}, false
  local all = call('HGETALL', l.key)
  for i = 1, #all, 2 do
    local kind, digits = string.match(all[i], '^([vc])(%d+)$')
    local b = digits and tonumber(digits)
    if b and b >= now_bucket then
      if not l.oldest or b < l.oldest then l.oldest = b end
    elseif b and (kind == 'v' or all[i + 1] == '0') then
      hi, lo = minus(hi, lo, split(all[i + 1]))
      l.dead[#l.dead + 1] = all[i]
    end
  end
  return hi, lo
end

-- over gives what a window takes over of the one before it. It is found once and then kept: what is settled there later changes nothing.
local function over(l)
  local taken = call('HGET', l.key, 'r')
  if taken then return split(taken) end
  local last = { key = l.last }
  local used = call('HGET', l.last, 'u')
  l.over = '0'
  if not used then return 0, 0 end
  local hi, lo = split(l.full)
  hi, lo = minus(hi, lo, bury(last, split(used)))
  local mh, ml = split(l.most)
  if hi > mh or (hi == mh and lo > ml) then hi, lo = mh, ml end
  l.over = text(hi, lo)
  return hi, lo
end

-- check fills in what is left of a limit before and after this call, and whether the call fits.
local function check(l)
  if l.kind == 'R' then
    local z, x, g = now_us, 0, 0
    local cell = l.cell
    if cell then
      z, x, g = string.match(cell, '^(%S+) (%S+) (%S+)$')
      z, x, g = tonumber(z), tonumber(x), tonumber(g)
      if x <= now_us - z then z, x, g = now_us, 0, 0 end
    end
    local max, period = tonumber(l.max), l.period
    local most = period
    if not max then
      local all, kept = string.match(l.max, '^(%d+) (%d+)$')
      max = tonumber(all)
      most = period - tonumber(kept) * period / max
    end
    local ahead, step = x - (now_us - z), l.n * period / max
    local after = math.min(ahead + step, FARTHEST_US)
    local slack = math.min(0.5, 0.5 * period / max) -- less than one unit: what doubles round
    l.fits = after <= most + slack
    l.z, l.x, l.g, l.ahead = z, after + (now_us - z), g, after
    l.before, l.after = math.max(0, floor((most - ahead) * max / period + 0.000001)), math.max(0, floor((most - after) * max / period + 0.000001))
    l.wait = step > most + slack and 0 or math.max(0, math.ceil(after - most))
    l.reset, l.reset_after = math.ceil(ahead), math.ceil(after)
    return
  end
  local cell = call('HMGET', l.key, 'u', 'o', 'e', l.field)
  local hi, lo = 0, 0
  if cell[1] then hi, lo = split(cell[1]) end
  if cell[2] then
    l.oldest = tonumber(cell[2])
    if l.oldest < now_bucket then hi, lo = bury(l, hi, lo) end
  end
  l.ends, l.held = cell[3], cell[4]
  local mh, ml = split(l.max)
  if l.last then mh, ml = plus(mh, ml, over(l)) end
  l.bh, l.bl = hi, lo
  hi, lo = plus(hi, lo, l.nh, l.nl)
  l.fits = hi < mh or (hi == mh and lo <= ml)
  l.hi, l.lo, l.mh, l.ml = hi, lo, mh, ml
  if l.kind == 'W' then
    l.reset = math.max(0, l.end_ms - now_ms) * 1000
    l.reset_after = l.reset
    l.wait = (l.nh > mh or (l.nh == mh and l.nl > ml)) and 0 or l.reset
  else
    l.wait, l.reset, l.reset_after = 1000000, 0, 0
  end
end

local function commit(l)
  if l.amount == '0' or (l.kind == 'W' and l.end_ms + KEPT_MS <= now_ms) then return end
  if l.kind == 'R' then
    call('SET', l.key, format('%.0f %.17g %.17g', l.z, l.x, l.g), 'PX', math.max(60000, math.ceil(l.ahead / 1000)))
    return
  end
  local h, lo = l.nh, l.nl
  if l.held then h, lo = plus(h, lo, split(l.held)) end
  local fields = { 'u', text(l.hi, l.lo), l.field, text(h, lo) }
  local n = 4
  if not l.oldest or bucket < l.oldest or l.dead then
    fields[5], fields[6] = 'o', math.min(l.oldest or bucket, bucket)
    n = 6
  end
  local life
  if l.kind == 'W' then
    local ends = l.end_text
    if l.ends ~= ends then
      fields[n + 1], fields[n + 2], life = 'e', ends, l.end_ms + (l.keep or KEPT_MS) - now_ms
      n = n + 2
    end
    if l.over then fields[n + 1], fields[n + 2] = 'r', l.over end
  elseif not l.ends or tonumber(l.ends) < now_ms + ttl_ms + 2 * BUCKET_MS then
    life = 2 * ttl_ms + 4 * BUCKET_MS -- with room, so that not every call moves it
    fields[n + 1], fields[n + 2] = 'e', now_ms + life
  end
  call('HSET', l.key, unpack(fields))
  if life then call('PEXPIRE', l.key, life) end
  for i = 1, #(l.dead or {}) do call('HDEL', l.key, l.dead[i]) end
end

local known = memory[1]
if known and known ~= 's' then
  local reply = {}
  for word in string.gmatch(known, '%S+') do reply[#reply + 1] = word end
  local at_shadows = 5 + tonumber(reply[4])
  reply[at_shadows] = reply[at_shadows] or '0' -- the release before this one wrote none
  for _ = 1, 2 + tonumber(reply[at_shadows]) do reply[#reply + 1] = 0 end -- no denials, no levels
  return reply
end

local at = 3

-- candidates reads a list of them, from at on.
local function candidates()
  local list = {}
  local most = tonumber(ARGV[at])
  at = at + 1
  for c = 1, most do
    local limits = {}
    local n = tonumber(ARGV[at])
    if not n then
      local count, least, longest = string.match(ARGV[at], '^(%d+) (%d+) (%d+)$')
      n, limits.least, limits.longest = tonumber(count), tonumber(least), tonumber(longest)
    end
    for i = 1, n do
      local p = at + 1 + (i - 1) * 9
      local place = tonumber(ARGV[p])
      local key, kind, amount, base, step = KEYS[place], ARGV[p + 1], ARGV[p + 7], false, false
      if limits.least then
        amount, base, step = string.match(amount, '^(%d+) (%d+) (%d+)$')
        step = tonumber(step)
      end
      -- The fields that check fills in are named here too: a table that grows is slow.
      if kind == 'R' then
        limits[i] = { key = key, cell = memory[place], kind = kind, max = ARGV[p + 2], soft = ARGV[p + 5] == '1', amount = amount, look = ARGV[p + 4] == '-',
          period = tonumber(ARGV[p + 3]), n = tonumber(amount),
          fits = false, z = 0, x = 0, g = 0, ahead = 0, before = 0, after = 0, wait = 0, reset = 0, reset_after = 0 }
      else
        local nh, nl = split(amount)
        limits[i] = { key = key, kind = kind, max = ARGV[p + 2], soft = ARGV[p + 5] == '1', amount = amount, look = ARGV[p + 4] == '-',
          warn = ARGV[p + 6] == '1', end_text = ARGV[p + 8], end_ms = tonumber(ARGV[p + 8]), nh = nh, nl = nl,
          field = ARGV[p + 4] == '1' and charged or void, fits = false, bh = 0, bl = 0, hi = 0, lo = 0, mh = 0, ml = 0,
          wait = 0, reset = 0, reset_after = 0, ends = false, held = false, oldest = false }
        local more = ARGV[p + 6]
        if #more > 1 then
          local warn, last, most, keep, full = string.match(more, '^(%d) (%d+) (%d+) (%d+) (%d+)$')
          local l = limits[i]
          l.warn, l.last, l.most, l.keep, l.full = warn == '1', KEYS[tonumber(last)], most, tonumber(keep), full
        end
      end
      if step then limits[i].base, limits[i].step = base, step end
    end
    list[c] = limits
    at = at + 1 + n * 9
  end
  return list
end

-- checked checks all limits of a candidate, and gives the first that does not fit.
local function checked(limits)
  local refused
  for i, l in ipairs(limits) do
    check(l)
    if not l.fits and not l.soft and not refused then refused = i end
  end
  return refused
end

-- tokens is how long an answer a limit leaves room for.
local function tokens(l)
  local hi, lo = 0, 0
  if l.kind == 'R' then
    lo = l.before
  else
    hi, lo = minus(l.mh, l.ml, l.bh, l.bl)
  end
  local bh, bl = split(l.base)
  if hi < bh or (hi == bh and lo < bl) then return -1 end
  if l.step == 0 then return FARTHEST_US end
  hi, lo = minus(hi, lo, bh, bl)
  if hi > 0 then lo = LIMB - 1 end -- less than there is
  local n = floor(lo / l.step)
  if n * l.step > lo then n = n - 1 end
  return n
end

-- cut makes a candidate's answer so short that all limits fit, unless that is too short to be worth sending.
local function cut(limits)
  local n = limits.longest
  for _, l in ipairs(limits) do
    if not l.soft then n = math.min(n, tokens(l)) end
  end
  if n < limits.least then return false end
  for _, l in ipairs(limits) do
    l.nh, l.nl = plus(0, n * l.step, split(l.base))
    l.n = l.nh * LIMB + l.nl
    if l.n == 0 then l.amount = '0' end
  end
  limits.tokens = n
  return not checked(limits)
end

-- choose finds the first candidate whose limits all fit, and what kept those before it.
local function choose(list)
  local denials = {}
  for c, limits in ipairs(list) do
    local refused = checked(limits)
    if not refused then return c - 1, denials end
    if limits.least then
      local seen = limits[refused]
      local was = { kind = seen.kind, before = seen.before, mh = seen.mh, ml = seen.ml, bh = seen.bh, bl = seen.bl, wait = seen.wait, warn = seen.warn, key = seen.key }
      if cut(limits) then return c - 1, denials end
      limits.was = was
    end
    denials[#denials + 1] = { c - 1, refused - 1, limits.was or limits[refused] }
  end
  return -1, denials
end

-- spent tells, once a window, that a budget refused for the first time a call that it could have covered when it was new.
local function spent(l)
  if not l.warn or l.wait == 0 or tonumber(call('HGET', l.key, 'w') or '0') >= 10000 then return 0 end
  call('HSET', l.key, 'w', '10000')
  return 1
end

local asked = candidates()
local shadows, most = {}, tonumber(ARGV[at])
at = at + 1
for i = 1, most do shadows[i] = { list = candidates() } end
local denials, chosen = {}, -1
if not known then -- everything is checked before anything is committed
  chosen, denials = choose(asked)
  for _, s in ipairs(shadows) do s.chosen, s.denials = choose(s.list) end
end

-- left is what remains of a limit, before this call or after it.
local function left(l, after)
  if l.kind == 'R' then return after and l.after or l.before end
  if after then return text(minus(l.mh, l.ml, l.hi, l.lo)) end
  return text(minus(l.mh, l.ml, l.bh, l.bl))
end

-- coded tells the chosen candidate, and to how many tokens its answer was cut.
local function coded(list, index)
  local limits = list[index + 1]
  return index + (limits and limits.tokens or 0) * 16
end

local reply = { coded(asked, chosen), bucket, format('%.0f', now_us) }

-- hold commits the limits of a candidate that are counted, and adds their number and marks to the reply.
local function hold(limits)
  local count = #reply + 1
  reply[count] = 0
  for _, l in ipairs(limits) do
    if not l.look then
      commit(l)
      reply[#reply + 1] = l.kind == 'R' and format('%.0f', floor(l.ahead + l.g)) or 0
      reply[count] = reply[count] + 1
    end
  end
end

if chosen >= 0 then
  if not memory[2] then call('SET', KEYS[2], reply[3]) end
  hold(asked[chosen + 1])
else
  reply[4] = 0
end
reply[#reply + 1] = #shadows
for _, s in ipairs(shadows) do
  reply[#reply + 1] = s.chosen and coded(s.list, s.chosen) or -1
  if chosen >= 0 and s.chosen >= 0 then
    hold(s.list[s.chosen + 1])
  else
    reply[#reply + 1] = 0
  end
end
if chosen >= 0 then call('SET', KEYS[1], table.concat(reply, ' '), 'PX', ttl_ms + RECORD_MS) end
reply[#reply + 1] = #denials
for _, d in ipairs(denials) do
  reply[#reply + 1] = d[1]
  reply[#reply + 1] = d[2]
  reply[#reply + 1] = left(d[3], false)
  reply[#reply + 1] = d[3].wait
  reply[#reply + 1] = spent(d[3])
end
local levels = asked[math.max(chosen, 0) + 1] or {}
reply[#reply + 1] = #levels
local n = #reply
for _, l in ipairs(levels) do
  reply[n + 1] = known and 0 or left(l, chosen >= 0)
  reply[n + 2] = chosen >= 0 and l.reset_after or l.reset
  n = n + 2
end
for _, s in ipairs(shadows) do
  reply[#reply + 1] = s.denials and #s.denials or 0
  for _, d in ipairs(s.denials or {}) do
    reply[#reply + 1] = d[1]
    reply[#reply + 1] = d[2]
    reply[#reply + 1] = left(d[3], false)
    reply[#reply + 1] = d[3].wait
  end
end
return reply
