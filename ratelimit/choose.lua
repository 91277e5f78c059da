-- choose.lua goes on where admit.lua's usual gave up: calls with shadows, several candidates, full limits, first and last moments of cells, and
-- amounts of any size.

-- bury takes the void holds of dead buckets off what is used. Charged ones stay until they are settled.
local function bury(l, hi, lo)
  l.dead, l.oldest = {}, false
  local all = call('HGETALL', l.key)
  for i = 1, #all, 2 do
    local kind, digits = match(all[i], '^([vc])(%d+)$')
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
    local max, period = tonumber(l.max), l.period
    local most = period
    if not max then
      local all, kept = match(l.max, '^(%d+) (%d+)$')
      max = tonumber(all)
      most = period - tonumber(kept) * period / max
    end
    local _, ahead, after
    l.z, _, l.g, ahead, after = arrival(l.cell, l.n, max, period)
    local room = most + slack(max, period)
    l.fits, l.ahead = after <= room, after
    l.before, l.after = units(most - ahead, max, period), units(most - after, max, period)
    l.wait = l.n * period / max > room and 0 or math.max(0, math.ceil(after - most))
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
    pace(l.key, l.z, l.g, l.ahead)
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

local at = 4

-- candidates reads a list of them, from at on.
local function candidates()
  local list = {}
  local most = tonumber(ARGV[at])
  at = at + 1
  for c = 1, most do
    local limits = {}
    local n = tonumber(ARGV[at])
    if not n then
      local count, least, longest = match(ARGV[at], '^(%d+) (%d+) (%d+)$')
      n, limits.least, limits.longest = tonumber(count), tonumber(least), tonumber(longest)
    end
    for i = 1, n do
      local p = at + 1 + (i - 1) * 4
      local what, place = ARGV[p], i + 2
      local kind, charge, amount, base, step = sub(what, 1, 1), sub(what, 2, 2), ARGV[p + 3], false, false
      local at_place, takes = match(what, '^.... (%d+)(.*)$')
      if at_place then place = tonumber(at_place) end
      if limits.least then
        amount, base, step = match(amount, '^(%d+) (%d+) (%d+)$')
        step = tonumber(step)
      end
      -- The fields that check fills in are named here too: a table that grows is slow.
      if kind == 'R' then
        limits[i] = { key = KEYS[place], cell = memory[place], kind = kind, max = ARGV[p + 1], soft = byte(what, 3) == ONE, amount = amount, look = charge == '-',
          period = tonumber(ARGV[p + 2]), n = tonumber(amount),
          fits = false, z = 0, g = 0, ahead = 0, before = 0, after = 0, wait = 0, reset = 0, reset_after = 0 }
      else
        local nh, nl = split(amount)
        limits[i] = { key = KEYS[place], kind = kind, max = ARGV[p + 1], soft = byte(what, 3) == ONE, amount = amount, look = charge == '-',
          warn = byte(what, 4) == ONE, end_text = ARGV[p + 2], end_ms = tonumber(ARGV[p + 2]), nh = nh, nl = nl,
          field = charge == '1' and charged or void, fits = false, bh = 0, bl = 0, hi = 0, lo = 0, mh = 0, ml = 0,
          wait = 0, reset = 0, reset_after = 0, ends = false, held = false, oldest = false }
        if takes and takes ~= '' then
          local last, most, keep, full = match(takes, '^ (%d+) (%d+) (%d+) (%d+)$')
          local l = limits[i]
          l.last, l.most, l.keep, l.full = KEYS[tonumber(last)], most, tonumber(keep), full
        end
      end
      if step then limits[i].base, limits[i].step = base, step end
    end
    list[c] = limits
    at = at + 1 + n * 4
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
local shadows = {}
for i = 1, tonumber(ARGV[3]) do shadows[i] = { list = candidates() } end
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
