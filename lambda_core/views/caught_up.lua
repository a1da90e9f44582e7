-- Whether this process of Redis holds all that it held before it was started again.
--
-- KEYS: 1 hash of one epoch: partition of the updates topic -> the process in which a worker had applied all of it
-- ARGV: 1 `ask`, or `note` that partitions are applied in this process, or `begin` for those that were never noted
--       2 and on: the partitions
-- Returns 1 when every partition was noted in this process (also when none ever was), else 0.

local process = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local set = ARGV[1] == 'note' and 'HSET' or 'HSETNX'
for at = 2, #ARGV do redis.call(set, KEYS[1], ARGV[at], process) end
for _, noted in ipairs(redis.call('HVALS', KEYS[1])) do
  if noted ~= process then return 0 end
end
return 1
