-- try.lua stands between pairs.lua and admit.lua: the admission reads and judges as always, and what it would write is left out.
local real = call
local writes = { SET = true, HSET = true, HDEL = true, PEXPIRE = true }
call = function(name, ...)
  if writes[name] then return false end
  return real(name, ...)
end

