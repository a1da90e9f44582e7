-- Notes late records of one entity: those that a view is about to close without.
--
-- KEYS: 1 late records
-- ARGV: pairs of a late record (<partition>:<period>) and its offset; the greatest offset stays
-- Returns how many were noted.

local noted = 0
for at = 1, #ARGV, 2 do
  local known = redis.call('HGET', KEYS[1], ARGV[at])
  if not known or tonumber(ARGV[at + 1]) > tonumber(known) then
    redis.call('HSET', KEYS[1], ARGV[at], ARGV[at + 1])
    noted = noted + 1
  end
end
return noted
