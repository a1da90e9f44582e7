-- The fenced merge of updates into one period's hash. The rule, and the layout of the hash, is views/speed.py;
-- one contract test holds both to the same bytes.
--
-- KEYS: 1 speed hash, 2 index of periods, 3 unique keys seen in this bucket, 4 in the bucket before, 5 epoch mark
-- ARGV: 1 epoch, 2 period, 3 merge plan (operators joined by spaces), 4 hops in ms (joined by spaces), 5 ring size K,
--       6 duplicate horizon in ms, 7 life of a bucket of unique keys in seconds,
--       8 updates, MessagePack: array of {partition, offset, append_ms, event_ms, unique or "", row}
-- Returns {applied, fenced, duplicates}; raises EPOCH when this Redis does not hold the epoch.
--
-- Order of the writes, which is the guarantee: the index first (an indexed period without hash is empty), then the
-- unique keys (with the position of the copy kept, so that the copy itself is no duplicate of itself when it is
-- re-applied), then, in one HSET, all new values together with the fence.

local LIMIT_DIGITS = 38

local function split(text)
  local parts = {}
  for part in string.gmatch(text, '%S+') do parts[#parts + 1] = part end
  return parts
end

-- Integers of any size as decimal texts. Doubles are exact up to 15 digits; longer ones go limb by limb.
local function sign_of(a)
  if string.sub(a, 1, 1) == '-' then return -1, string.sub(a, 2) end
  return 1, a
end

local function compare_magnitudes(a, b)
  if #a ~= #b then return #a < #b and -1 or 1 end
  if a == b then return 0 end
  return a < b and -1 or 1
end

local function compare_integers(a, b)
  if #a <= 15 and #b <= 15 then
    local x, y = tonumber(a), tonumber(b)
    return x == y and 0 or (x < y and -1 or 1)
  end
  local sign_a, digits_a = sign_of(a)
  local sign_b, digits_b = sign_of(b)
  if sign_a ~= sign_b then return sign_a end
  return sign_a * compare_magnitudes(digits_a, digits_b)
end

local function limbs(digits)
  local parts = {}
  for last = #digits, 1, -7 do
    parts[#parts + 1] = tonumber(string.sub(digits, math.max(1, last - 6), last))
  end
  return parts
end

local function joined(parts)
  local texts = {}
  for place = #parts, 1, -1 do texts[#texts + 1] = string.format('%07.0f', parts[place]) end
  local digits = string.gsub(table.concat(texts), '^0+', '')
  return digits == '' and '0' or digits
end

local function add_magnitudes(a, b)
  local x, y, sum, carry = limbs(a), limbs(b), {}, 0
  for place = 1, math.max(#x, #y) do
    local total = (x[place] or 0) + (y[place] or 0) + carry
    carry = total >= 1e7 and 1 or 0
    sum[place] = total - carry * 1e7
  end
  if carry > 0 then sum[#sum + 1] = carry end
  return joined(sum)
end

local function subtract_magnitudes(a, b) -- a is not smaller than b
  local x, y, difference, borrow = limbs(a), limbs(b), {}, 0
  for place = 1, #x do
    local total = x[place] - (y[place] or 0) - borrow
    borrow = total < 0 and 1 or 0
    difference[place] = total + borrow * 1e7
  end
  return joined(difference)
end

local function add_integers(a, b)
  if a == '!' or b == '!' then return '!' end
  if #a <= 15 and #b <= 15 then
    local sum = string.format('%.0f', tonumber(a) + tonumber(b))
    return sum == '-0' and '0' or sum
  end
  local sign_a, digits_a = sign_of(a)
  local sign_b, digits_b = sign_of(b)
  local sign, digits = sign_a, nil
  if sign_a == sign_b then
    digits = add_magnitudes(digits_a, digits_b)
  elseif compare_magnitudes(digits_a, digits_b) >= 0 then
    digits = subtract_magnitudes(digits_a, digits_b)
  else
    sign, digits = sign_b, subtract_magnitudes(digits_b, digits_a)
  end
  if #digits > LIMIT_DIGITS then return '!' end
  return (sign < 0 and digits ~= '0') and '-' .. digits or digits
end

local function float_text(x)
  return string.format('%.17g', x + 0.0)
end

local function chan(left, right, at)
  local n_left, n_right = tonumber(left[at]), tonumber(right[at])
  local n, delta = n_left + n_right, tonumber(right[at + 1]) - tonumber(left[at + 1])
  local mean = tonumber(left[at + 1]) + delta * n_right / n
  local m2 = tonumber(left[at + 2]) + tonumber(right[at + 2]) + delta * delta * n_left * n_right / n
  return string.format('%.0f', n), float_text(mean), float_text(m2)
end

local function is_later(left, right, at)
  for part = at, at + 2 do
    local order = compare_integers(left[part], right[part])
    if order ~= 0 then return order > 0 end
  end
  return false
end

local merge_one = {
  ['i+'] = add_integers,
  ['f+'] = function(a, b) return float_text(tonumber(a) + tonumber(b)) end,
  ['i<'] = function(a, b) return compare_integers(a, b) <= 0 and a or b end,
  ['i>'] = function(a, b) return compare_integers(a, b) >= 0 and a or b end,
  ['f<'] = function(a, b) return tonumber(a) <= tonumber(b) and a or b end,
  ['f>'] = function(a, b) return tonumber(a) >= tonumber(b) and a or b end,
}

local WIDTH = { chan = 3, latest = 4 }

local function merge_rows(plan, left, right)
  local merged, at = {}, 1
  for _, operator in ipairs(plan) do
    local width = WIDTH[operator] or 1
    local taken = nil
    if left[at] == '' then taken = right elseif right[at] == '' then taken = left
    elseif operator == 'latest' then taken = is_later(left, right, at) and left or right end
    if taken then
      for part = at, at + width - 1 do merged[part] = taken[part] end
    elseif operator == 'chan' then
      merged[at], merged[at + 1], merged[at + 2] = chan(left, right, at)
    else
      merged[at] = merge_one[operator](left[at], right[at])
    end
    at = at + width
  end
  return merged
end

-- Meta: a flat array {folded, t1, p1, o1, t2, p2, o2, ...}.
local function earliest(meta)
  local best = 2
  for at = 5, #meta, 3 do
    local d = meta[at] - meta[best]
    if d == 0 then d = meta[at + 1] - meta[best + 1] end
    if d == 0 then d = meta[at + 2] - meta[best + 2] end
    if d < 0 then best = at end
  end
  return best
end

local epoch, period = ARGV[1], ARGV[2]
if redis.call('SISMEMBER', KEYS[5], epoch) == 0 then
  return redis.error_reply('EPOCH this Redis does not hold epoch ' .. epoch)
end
local plan, hops = split(ARGV[3]), split(ARGV[4])
local ring, horizon = tonumber(ARGV[5]), tonumber(ARGV[6])
local updates = cmsgpack.unpack(ARGV[8])

local packed_meta = redis.call('HGET', KEYS[1], 'm')
local meta = packed_meta and cmsgpack.unpack(packed_meta) or { -1 }
local fence, rows, tiles, kept = {}, {}, {}, {}
local applied, fenced, duplicates = 0, 0, 0

local function fence_of(partition)
  if fence[partition] == nil then
    fence[partition] = tonumber(redis.call('HGET', KEYS[1], 'f:' .. partition) or '-1')
  end
  return fence[partition]
end

local function is_duplicate(update)
  local unique = update[5]
  if unique == '' then return false end
  local own = string.format('%.0f:%.0f:%.0f', update[3], update[1], update[2])
  local last = kept[unique] or redis.call('HGET', KEYS[3], unique) or redis.call('HGET', KEYS[4], unique)
  if last then
    local append, partition, offset = string.match(last, '^(%-?%d+):(%d+):(%d+)$')
    local itself = tonumber(partition) == update[1] and tonumber(offset) == update[2]
    if not itself and update[3] - tonumber(append) <= horizon then return true end
  end
  kept[unique] = own
  return false
end

local function row_at(place)
  return rows[place] or cmsgpack.unpack(redis.call('HGET', KEYS[1], 'e:' .. place))
end

local function fold(event_ms, row)
  if event_ms > meta[1] then meta[1] = event_ms end
  for _, hop in ipairs(hops) do
    local start = event_ms - event_ms % tonumber(hop)
    local name = string.format('t:%s:%.0f', hop, start)
    local tile = tiles[name]
    if not tile then
      local stored = redis.call('HGET', KEYS[1], name)
      tile = stored and cmsgpack.unpack(stored)
    end
    tiles[name] = tile and merge_rows(plan, tile, row) or row
  end
end

for _, update in ipairs(updates) do
  local partition, offset, event_ms, row = update[1], update[2], update[4], update[6]
  if offset <= fence_of(partition) then
    fenced = fenced + 1
  else
    fence[partition] = offset
    if is_duplicate(update) then
      duplicates = duplicates + 1
    else
      applied = applied + 1
      local singles = (#meta - 1) / 3
      local at = #meta + 1
      if singles >= ring then
        local place = earliest(meta)
        local d = meta[place] - event_ms
        if d == 0 then d = meta[place + 1] - partition end
        if d == 0 then d = meta[place + 2] - offset end
        if d < 0 then
          fold(meta[place], row_at((place - 2) / 3))
          at = place
        else
          fold(event_ms, row)
          at = nil
        end
      end
      if at then
        meta[at], meta[at + 1], meta[at + 2] = event_ms, partition, offset
        rows[(at - 2) / 3] = row
      end
    end
  end
end

if applied + duplicates > 0 then
  local fields = { 'm', cmsgpack.pack(meta) }
  for partition, offset in pairs(fence) do
    if offset >= 0 then
      fields[#fields + 1] = 'f:' .. partition
      fields[#fields + 1] = string.format('%.0f', offset)
    end
  end
  for place, row in pairs(rows) do
    fields[#fields + 1] = 'e:' .. place
    fields[#fields + 1] = cmsgpack.pack(row)
  end
  for name, row in pairs(tiles) do
    fields[#fields + 1] = name
    fields[#fields + 1] = cmsgpack.pack(row)
  end
  redis.call('ZADD', KEYS[2], period, period)
  for unique, own in pairs(kept) do redis.call('HSET', KEYS[3], unique, own) end
  if next(kept) then redis.call('EXPIRE', KEYS[3], ARGV[7]) end
  redis.call('HSET', KEYS[1], unpack(fields))
end
return { applied, fenced, duplicates }
