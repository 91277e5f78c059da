-- override.lua: changes one override, if it is still what was seen.
--
-- KEYS[1] has the organisation's overrides by cell. ARGV: the cell, what was seen ('' for none), what there shall be ('' for none).
-- Reply: 1 done, 0 there is another by now.
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then return 0 end
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
end
return 1
