-- Lets go of one entity's periods and late records that both views have absorbed, and of the unique keys that no copy can
-- meet again.
--
-- KEYS: 1 index of periods, 2 unique keys seen, 3 late records
-- ARGV: 1 prefix of the speed hashes' names (the period follows), 2 first period retained,
--       3 append time in ms up to which a kept copy is forgotten, 4 seconds that a hash let go still lives
--       5 and on: pairs of a partition and the offset that follows what both views have absorbed of it
-- Returns {periods let go, unique keys forgotten}.
--
-- A period leaves the index only once its hash is gone, so that a reader with an older pointer still finds it.

local released, forgotten = 0, 0
for _, period in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[2])) do
  local hash = ARGV[1] .. period
  local left = redis.call('TTL', hash)
  if left == -2 then
    redis.call('ZREM', KEYS[1], period)
  elseif left == -1 then
    redis.call('EXPIRE', hash, ARGV[4])
    released = released + 1
  end
end
local cursor, limit = '0', tonumber(ARGV[3])
repeat
  local found = redis.call('HSCAN', KEYS[2], cursor, 'COUNT', 500)
  cursor = found[1]
  for at = 1, #found[2], 2 do
    if tonumber(string.match(found[2][at + 1], '^(%-?%d+):')) < limit then
      forgotten = forgotten + redis.call('HDEL', KEYS[2], found[2][at])
    end
  end
until cursor == '0'
for at = 5, #ARGV, 2 do
  for _, name in ipairs(redis.call('HKEYS', KEYS[3])) do
    local own = string.match(name, '^(%d+):') == ARGV[at]
    if own and tonumber(redis.call('HGET', KEYS[3], name)) < tonumber(ARGV[at + 1]) then
      redis.call('HDEL', KEYS[3], name)
    end
  end
end
return { released, forgotten }
