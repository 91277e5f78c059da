-- reset.lua: forgives what one window has posted, if it is still what was seen. Holds in flight stay.
--
-- KEYS[1] is a cell. ARGV: used and posted as they were seen, used as it shall be.
-- Reply: 1 done, 0 the cell has changed.
local seen = redis.call('HMGET', KEYS[1], 'u', 's')
if seen[1] ~= ARGV[1] or seen[2] ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], 'u', ARGV[3], 's', '0')
redis.call('HDEL', KEYS[1], 'w')
return 1
