-- One entity's batch value and speed hashes, in one atomic step.
--
-- KEYS: 1 batch value, 2 index of periods, 3 late records
-- ARGV: 1 prefix of the speed hashes' names (the period follows), 2 horizon: the first period on the speed side,
--       3 optional: `known` when the reader already has the batch value, which is immutable
-- Returns {batch value or false (`known` when it was not asked for), {late record, offset, ...},
--          {period, {field, value, ...}}, ...}, periods ascending.

local answer = { ARGV[3] == 'known' and 'known' or redis.call('GET', KEYS[1]), redis.call('HGETALL', KEYS[3]) }
for _, period in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], ARGV[2], '+inf')) do
  answer[#answer + 1] = { period, redis.call('HGETALL', ARGV[1] .. period) }
end
return answer
