-- pairs.lua stands before admit.lua, choose.lua and settle.lua: what they count with.
--
-- Lua numbers are doubles, exact to 2^53 only. Amounts are therefore pairs: multiples of 10^15 and the rest.
local call, floor, format, sub, match, byte = redis.call, math.floor, string.format, string.sub, string.match, string.byte
local N, R, W, ZERO, ONE, NONE = byte('NRW01-', 1, 6)
local LIMB = 1000000000000000
local BUCKET_MS = 15000
local FARTHEST_US = 1000000000000000 -- 31 years: an overdrawn soft rate stays a number that is exact
local KEPT_MS = 86400000

local function split(s)
  local n = #s
  if n <= 15 then return 0, tonumber(s) end
  return tonumber(sub(s, 1, n - 15)), tonumber(sub(s, n - 14))
end

-- text gives a pair to Redis, which writes numbers of at most 15 digits exactly.
local function text(hi, lo)
  if hi == 0 then return lo end
  return format('%.0f%015.0f', hi, lo)
end

local function plus(hi, lo, h, l)
  hi, lo = hi + h, lo + l
  if lo >= LIMB then return hi + 1, lo - LIMB end
  return hi, lo
end

local function minus(hi, lo, h, l)
  hi, lo = hi - h, lo - l
  if lo < 0 then hi, lo = hi - 1, lo + LIMB end
  if hi < 0 then return 0, 0 end
  return hi, lo
end


-- rate_text is a rate's cell, and rate_life for how many ms it is kept when it is so far ahead: at least a minute.
local function rate_text(z, x, g)
  if g == 0 then return format('%d %.17g 0', z, x) end
  return format('%d %.17g %.17g', z, x, g)
end

local function rate_life(ahead)
  if ahead <= 60000000 then return '60000' end
  return format('%d', math.ceil(ahead / 1000))
end
