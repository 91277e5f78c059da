-- settle.lua: ends one reservation with what the call really took. The call's record is the right to do so: it is there from
-- the admission until the settlement, so a reservation resolves at most once, however late a second one comes.
--
-- KEYS[1] is the call's record, KEYS[2] the organisation's memory mark; the others are cells, in the order of the entries. ARGV:
--   bucket (of a call that was let through without Redis the memory mark as it was known), at_us of the admission (1 of such a call), unseeded (0/1), then for each entry:
--   two letters, kind and charge (0/1); held; actual; and of a rate "max period_us mark", of a window its end in ms, or
--   "end share:amount share:amount …", ascending, of one that warns
-- Reply: {1 settled, 0 it had been settled before, -2 the organisation's counters are not there; then for each share crossed: entry index from 0, share, posted}.
-- The cells are described in admit.lua.
local SETTLED_MS = '300000' -- for a second admission of the same call; settlements need no mark
local END_DIGITS = 13 -- of a window's end, up to the year 2286; one that is longer is looked at for shares, and has none
local LOST_MS = '172800000' -- where the record was lost, the mark alone keeps a second settlement away

local keys, args = KEYS, ARGV
local texts = 2 -- rates are texts, like the first two keys: those that stand behind them are read together
while args[texts * 4 - 4] and byte(args[texts * 4 - 4]) == R do texts = texts + 1 end
local memory = call('MGET', unpack(keys, 1, texts))
local known, since, admitted = memory[1], memory[2], tonumber(args[2])
if known == 's' then return { 0 } end
if known and match(known, '^%S+ %S+ (%d+)') ~= args[2] then return { 0 } end -- an earlier reservation of the same call
if not known then
  if args[3] == '1' then -- without a ledger what Redis lost is posted when it is settled
    if since and admitted >= tonumber(since) then return { 0 } end
  else
    if not since then return { -2 } end
    -- Calls in flight get their records back together with the counters, so this one was settled, or counted in the ledger; but for one that was
    -- let through without Redis since those counters are there.
    if args[2] ~= '1' or args[1] ~= since then return { 0 } end
  end
end

local time = redis.call('TIME')
local now_us = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now_ms = floor(now_us / 1000)

local function rate(key, cell, held, actual, rest)
  if held == actual then return end
  local max, period, mark = match(rest, '^(%d+) (%d+) (%d+)$')
  local z, x, g = now_us, 0, 0
  local busy = false
  if cell then
    local cz, cx, cg = match(cell, '^(%S+) (%S+) (%S+)$')
    cz, cx, cg = tonumber(cz), tonumber(cx), tonumber(cg)
    if cx > now_us - cz then z, x, g, busy = cz, cx, cg, true end
  end
  local ahead = x - (now_us - z)
  local back = (held - actual) * period / max
  if back > 0 then
    -- Only what has not decayed since comes back: nothing after an idle moment, and no more than the part of the
    -- arrival time that is this call's own, wherever earlier gifts have moved it.
    if not busy or z > admitted then return end
    back = math.min(back, mark - (now_us - admitted) - g, ahead)
    if back <= 0 then return end
    g = g + back
  end
  ahead = math.min(ahead - back, FARTHEST_US)
  call('SET', key, rate_text(z, ahead + (now_us - z), g), 'PX', rate_life(ahead))
end

local reply = { 1 }

-- warn reports the shares of a budget that what is posted has reached, each once a window.
local function warn(entry, list, hi, lo, last)
  local top = last
  for share, amount in string.gmatch(list, '(%d+):(%d+)') do
    local h, l = split(amount)
    if hi < h or (hi == h and lo < l) then return top end
    local n = tonumber(share)
    if n > last then
      reply[#reply + 1], reply[#reply + 2], reply[#reply + 3] = entry, n, text(hi, lo)
      top = n
    end
  end
  return top
end

local void, charged = 'v' .. args[1], 'c' .. args[1]

-- usual settles what nearly every settlement is: a hold that is there, and amounts below 10^15.
-- It does in a third of the time what release does for all.
local function usual(i, at, key, kind, field)
  local held, actual, rest = args[at + 1], args[at + 2], args[at + 3]
  local warns, cell = kind == W and #rest > END_DIGITS
  if warns then cell = call('HMGET', key, 'u', field, 's', 'w') else cell = call('HMGET', key, 'u', field, 's') end
  local used, pending, posted = cell[1], cell[2], cell[3]
  if not used or not pending or #used > 15 or #held > 15 or #actual > 15 then return false end
  held, actual = tonumber(held), tonumber(actual)
  if kind == N then
    call('HSET', key, 'u', format('%d', used - held), field, format('%d', pending - held))
  else -- Redis writes a number that Lua hands it with 17 digits after a search for them; format is faster
    local total = (posted or 0) + actual
    call('HSET', key, 'u', format('%d', used - held + actual), field, format('%d', pending - held), 's', format('%d', total))
    if warns and actual > 0 and total >= tonumber(match(rest, ':(%d+)', END_DIGITS)) then
      local last = tonumber(cell[4] or '0')
      local hi, lo = plus(0, 0, 0, total)
      local top = warn(i - 3, sub(rest, END_DIGITS + 1), hi, lo, last)
      if top > last then call('HSET', key, 'w', top) end
    end
  end
  return true
end

local function release(i, at, key, kind, field)
  local cell = call('HMGET', key, 'u', 's', 'e', field, 'w')
  local hi, lo = split(cell[1] or '0')
  local fields = { field, 0, 0, 0, 0, 0 } -- room for what most calls write
  local n = 0
  if known and cell[4] then -- a void hold that is buried has been taken off
    local hh, hl = split(args[at + 1])
    hi, lo = minus(hi, lo, hh, hl)
    local fh, fl = split(cell[4])
    fields[2] = text(minus(fh, fl, hh, hl))
    n = 2
  end
  local life
  if kind == W then
    local end_text, list = match(args[at + 3], '^(%d+)(.*)$')
    local end_ms = tonumber(end_text)
    if end_ms + KEPT_MS <= now_ms then return end
    if args[at + 2] ~= '0' then
      local ah, al = split(args[at + 2])
      hi, lo = plus(hi, lo, ah, al)
      local sh, sl = plus(ah, al, split(cell[2] or '0'))
      fields[n + 1], fields[n + 2] = 's', text(sh, sl)
      n = n + 2
      if list ~= '' then
        local last = tonumber(cell[5] or '0')
        local top = warn(i - 3, list, sh, sl, last)
        if top > last then
          fields[n + 1], fields[n + 2] = 'w', top
          n = n + 2
        end
      end
      if not cell[3] then
        fields[n + 1], fields[n + 2] = 'e', end_text
        n = n + 2
        life = end_ms + KEPT_MS - now_ms
      end
    end
  end
  if n == 0 then return end
  fields[n + 1], fields[n + 2] = 'u', text(hi, lo)
  call('HSET', key, unpack(fields, 1, n + 2))
  if life then call('PEXPIRE', key, life) end
end

for i = 3, #keys do
  local at = 4 + (i - 3) * 4
  local kind, charge = byte(args[at], 1, 2)
  local field = charge == ONE and charged or void
  if kind ~= R then
    if not known or not usual(i, at, keys[i], kind, field) then release(i, at, keys[i], kind, field) end
  elseif known then
    local cell = memory[i]
    if i > texts then cell = call('GET', keys[i]) end
    rate(keys[i], cell, tonumber(args[at + 1]), tonumber(args[at + 2]), args[at + 3])
  end
end
call('SET', keys[1], 's', 'PX', known and SETTLED_MS or LOST_MS)
return reply
