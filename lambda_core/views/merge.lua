-- The fenced merge of updates into one period's hash. The rule, and the layout of the hash, is views/speed.py;
-- one contract test holds both to the same bytes. views/script.py makes the keys and arguments.
--
-- KEYS: 1 speed hash, 2 index of periods, 3 unique keys seen, 4 epoch mark, 5 late records
-- ARGV: 1 epoch, 2 period, 3 first period retained, 4 ring size K, 5 duplicate horizon in ms,
--       6 MessagePack: {merge plan, hops in ms, and the widths of those operators that have a parameter}
--       7 MessagePack: array of updates {partition, offset, append_ms, event_ms, unique or "", true where it is late}
--       8 and on: the packed row of each update
-- Returns {applied, fenced, duplicates, dropped}; raises EPOCH when this Redis does not hold the epoch.
--
-- What is before the first period retained is dropped, counted: both views hold it. Its unique keys are remembered, so
-- that a rebuild that begins one duplicate horizon earlier knows the copies of what it will count.
--
-- A late update is one of a period that a view has closed without it (`pointer.Published.misses`): what counts of it is
-- noted, applied or dropped, so that a reader of that view can tell.
--
-- Order of the writes, which is the guarantee: the index first (an indexed period without hash is empty), then the
-- late records and the unique keys (with the position of the copy kept, so that the copy itself is no duplicate of itself when it is
-- re-applied), then, in one HSET, all new values together with the fence that they are guarded by. A call with so many
-- updates that one HSET cannot hold their fields writes them in turns, each with its own fence.

local LIMIT_DIGITS = 38
local MAX_FIELDS = 3000
local INFINITY = 1 / 0
local SINGLE, SINGLE_BYTES = '<di4dI2', 22 -- event time, partition, offset, place of its row

-- Integers of any size as decimal texts. Short ones are doubles, by Lua's own reading of a text as a number (cheaper
-- than tonumber) and its own writing (exact up to 14 digits); longer ones go limb by limb.
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
  if #a <= 15 and #b <= 15 then return a - b end
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
  if #a <= 13 and #b <= 13 then return a + b .. '' end
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

-- Floats as texts of 17 digits; what is no longer finite is the error state.
local function float_of(text)
  return text == '!' and INFINITY or tonumber(text)
end

local function float_text(x)
  if x ~= x or x == INFINITY or x == -INFINITY then return '!' end
  return string.format('%.17g', x + 0.0)
end

-- Operators over several components, or with a parameter: each returns the side that it takes whole, or puts what it
-- makes of both into `merged`. Where they begin is `at`; how many components they take, `width`.
local function chan(left, right, at, merged)
  local n_left, n_right = tonumber(left[at]), tonumber(right[at])
  local mean_left = float_of(left[at + 1])
  local n, delta = n_left + n_right, float_of(right[at + 1]) - mean_left
  local mean = mean_left + delta * n_right / n
  local m2 = float_of(left[at + 2]) + float_of(right[at + 2]) + delta * delta * n_left * n_right / n
  merged[at], merged[at + 1], merged[at + 2] = string.format('%.0f', n), float_text(mean), float_text(m2)
end

local function is_later(left, right, at, at_right)
  for part = 0, 2 do
    local order = compare_integers(left[at + part], right[(at_right or at) + part])
    if order ~= 0 then return order > 0 end
  end
  return false
end

local WIDTH = { chan = 3, latest = 4, first = 4 }
local WIDE = {
  chan = chan,
  latest = function(left, right, at) return is_later(left, right, at) and left or right end,
  first = function(left, right, at) return is_later(right, left, at) and left or right end,
}
local merge_one = {
  ['i+'] = add_integers,
  ['f+'] = function(a, b) return float_text(float_of(a) + float_of(b)) end,
  ['i<'] = function(a, b) return compare_integers(a, b) <= 0 and a or b end,
  ['i>'] = function(a, b) return compare_integers(a, b) >= 0 and a or b end,
  ['f<'] = function(a, b) return a - b <= 0 and a or b end,
  ['f>'] = function(a, b) return a - b >= 0 and a or b end,
}

local function merge_rows(plan, left, right)
  local merged, at = {}, 1
  for place = 1, #plan do
    local operator = plan[place]
    local width = WIDTH[operator]
    if not width then
      local a, b = left[at], right[at]
      if a == '' then merged[at] = b elseif b == '' then merged[at] = a else merged[at] = merge_one[operator](a, b) end
      at = at + 1
    else
      local taken
      if left[at] == '' then taken = right elseif right[at] == '' then taken = left
      else taken = WIDE[operator](left, right, at, merged, width) end
      if taken then
        for part = at, at + width - 1 do merged[part] = taken[part] end
      end
      at = at + width
    end
  end
  return merged
end

local epoch, period = ARGV[1], ARGV[2]
if redis.call('SISMEMBER', KEYS[4], epoch) == 0 then
  return redis.error_reply('EPOCH this Redis does not hold epoch ' .. epoch)
end
local ring, horizon = tonumber(ARGV[4]), tonumber(ARGV[5])
local plan, hops, widths = unpack(cmsgpack.unpack(ARGV[6]))

if widths then -- made only where the plan has any: most plans have none
  -- The latest events of both sides, latest first, as many as there is width for.
  local function last_n(left, right, at, merged, width)
    local a, b = at, at
    for place = at, at + width - 1, 4 do
      local from, first = left, a
      if left[a] == '' or right[b] ~= '' and not is_later(left, right, a, b) then from, first = right, b end
      for part = 0, 3 do merged[place + part] = from[first + part] end
      if from == left then a = a + 4 else b = b + 4 end
    end
  end

  -- Sums as of their newest event: the older one halves once a half-life.
  local function decay(half_life)
    return function(left, right, at, merged)
      local t_left, t_right = tonumber(left[at]), tonumber(right[at])
      local older, newer, apart = left, right, t_left - t_right
      if t_left > t_right then older, newer, apart = right, left, t_right - t_left end
      merged[at] = newer[at]
      merged[at + 1] = float_text(float_of(newer[at + 1]) + float_of(older[at + 1]) * 2 ^ (apart / half_life))
    end
  end

  -- Registers with the greater rank of both sides: entries of three characters (two for the register, one for the rank),
  -- ascending, or one character a register from where that is no longer.
  local function registers(precision)
    local count, ZERO = 2 ^ precision, 48
    local function dense(entries)
      local ranks = {}
      for register = 1, count do ranks[register] = '0' end
      for place = 1, #entries, 3 do
        local high, low = string.byte(entries, place, place + 1)
        ranks[(high - ZERO) * 64 + low - ZERO + 1] = string.sub(entries, place + 2, place + 2)
      end
      return table.concat(ranks)
    end
    local function raised(ranks, high, low, rank)
      local register = (high - ZERO) * 64 + low - ZERO
      if #ranks == count then
        if string.byte(ranks, register + 1) >= rank then return ranks end
        return string.sub(ranks, 1, register) .. string.char(rank) .. string.sub(ranks, register + 2)
      end
      local first, last = 0, #ranks / 3 -- the place of the first entry that is not before the register
      while first < last do
        local middle = math.floor((first + last) / 2)
        local high_there, low_there = string.byte(ranks, middle * 3 + 1, middle * 3 + 2)
        if high_there < high or high_there == high and low_there < low then first = middle + 1 else last = middle end
      end
      local entry, rest = string.char(high, low, rank), first * 3 + 1
      if string.sub(ranks, rest, rest + 1) == string.sub(entry, 1, 2) then
        if string.byte(ranks, rest + 2) >= rank then return ranks end
        rest = rest + 3
      end
      ranks = string.sub(ranks, 1, first * 3) .. entry .. string.sub(ranks, rest)
      return #ranks < count and ranks or dense(ranks)
    end
    return function(left, right, at, merged)
      local ranks, others = left[at], right[at]
      if #others > #ranks then ranks, others = others, ranks end
      if #others == count then
        for register = 0, count - 1 do
          local high, low = ZERO + math.floor(register / 64), ZERO + register % 64
          ranks = raised(ranks, high, low, string.byte(others, register + 1))
        end
      else
        for place = 1, #others, 3 do ranks = raised(ranks, string.byte(others, place, place + 2)) end
      end
      merged[at] = ranks
    end
  end

  local made = { decay = decay, registers = registers, last = function() return last_n end }
  for operator, width in pairs(widths) do
    local kind, parameter = string.match(operator, '^(%a+):(%d+)$')
    WIDTH[operator], WIDE[operator] = width, made[kind](tonumber(parameter))
  end
end
local updates = cmsgpack.unpack(ARGV[7])
local dropping = tonumber(period) < tonumber(ARGV[3])

-- What the hash and the unique keys hold now: one HMGET each.
local names, partitions, uniques = { 'm' }, {}, {}
for _, update in ipairs(updates) do
  local partition = update[1]
  if not partitions[partition] then
    partitions[partition] = #names + 1
    names[#names + 1] = 'f:' .. partition
  end
  if update[5] ~= '' then uniques[#uniques + 1] = partition .. ':' .. update[5] end
end
local held = redis.call('HMGET', KEYS[1], unpack(names))
local folded, singles = -1, '' -- singles: SINGLE after SINGLE, ascending by event time, partition, offset
if held[1] then folded, singles = struct.unpack('<d', held[1]), string.sub(held[1], 9) end
local fence, moved, rows, tiles, kept, kept_now = {}, {}, {}, {}, {}, {}
for partition, place in pairs(partitions) do fence[partition] = tonumber(held[place] or '-1') end
if #uniques > 0 then
  for place, text in ipairs(redis.call('HMGET', KEYS[3], unpack(uniques))) do kept[uniques[place]] = text end
end
local applied, fenced, duplicates, changed = 0, 0, 0, 0
local late = {}

local function is_duplicate(update)
  if update[5] == '' then return false end
  local unique = update[1] .. ':' .. update[5]
  local last = kept[unique]
  if last then
    local append, offset = string.match(last, '^(%-?%d+):(%d+)$')
    if tonumber(offset) ~= update[2] and update[3] - tonumber(append) <= horizon then return true end
  end
  kept[unique] = string.format('%.0f:%.0f', update[3], update[2])
  kept_now[unique] = kept[unique]
  changed = changed + 1
  return false
end

-- Rows stay packed until they meet another one.
local function merged_packed(left, right)
  if not left then return right end
  if type(left) == 'string' then left = cmsgpack.unpack(left) end
  if type(right) == 'string' then right = cmsgpack.unpack(right) end
  return merge_rows(plan, left, right)
end

-- Folds a row into its tile of every hop; without a row, the row of the single event at `place`.
local function fold(event_ms, row, place)
  if event_ms > folded then folded = event_ms end
  local named, missing = {}, {}
  for at, hop in ipairs(hops) do
    local name = 't:' .. hop .. ':' .. event_ms - event_ms % hop
    named[at] = name
    if tiles[name] == nil then missing[#missing + 1] = name end
  end
  local tiles_missing = #missing
  row = row or rows[place]
  if not row then missing[tiles_missing + 1] = 'e:' .. place end
  if #missing > 0 then
    local stored = redis.call('HMGET', KEYS[1], unpack(missing))
    for at = 1, tiles_missing do tiles[missing[at]] = stored[at] end
    row = row or stored[tiles_missing + 1]
    changed = changed + tiles_missing
  end
  if #named > 1 and type(row) == 'string' and tiles[named[1]] then row = cmsgpack.unpack(row) end
  for _, name in ipairs(named) do tiles[name] = merged_packed(tiles[name], row) end
end

-- Returns how many of the single events are earlier; most events are later than all.
local function earlier(event_ms, partition, offset)
  local function is_earlier(at)
    local t, p, o = struct.unpack(SINGLE, singles, at * SINGLE_BYTES + 1)
    return t < event_ms or t == event_ms and (p < partition or p == partition and o < offset)
  end
  local low, high = 0, #singles / SINGLE_BYTES
  if high == 0 or is_earlier(high - 1) then return high end
  high = high - 1
  while low < high do
    local middle = math.floor((low + high) / 2)
    if is_earlier(middle) then low = middle + 1 else high = middle end
  end
  return low
end

local function keep_or_fold(partition, offset, event_ms, row)
  local at, place, first = earlier(event_ms, partition, offset), #singles / SINGLE_BYTES, 1
  if place >= ring then
    if at == 0 then return fold(event_ms, row) end
    local t, _, _, freed = struct.unpack(SINGLE, singles)
    fold(t, nil, freed)
    place, first = freed, SINGLE_BYTES + 1
  end
  local cut = at * SINGLE_BYTES
  local single = struct.pack(SINGLE, event_ms, partition, offset, place)
  singles = string.sub(singles, first, cut) .. single .. string.sub(singles, cut + 1)
  rows[place] = row
  changed = changed + 1
end

local function note_late(update)
  local name = update[1] .. ':' .. period
  if update[6] and update[2] > (late[name] or -1) then late[name] = update[2] end
end

local function remember()
  local seen = {}
  for name, offset in pairs(late) do
    local known = redis.call('HGET', KEYS[5], name)
    if not known or offset > tonumber(known) then redis.call('HSET', KEYS[5], name, string.format('%.0f', offset)) end
  end
  for unique, own in pairs(kept_now) do
    seen[#seen + 1] = unique
    seen[#seen + 1] = own
  end
  if #seen > 0 then redis.call('HSET', KEYS[3], unpack(seen)) end
  kept_now, late = {}, {}
end

local function write()
  local fields = { 'm', struct.pack('<d', folded) .. singles }
  local function add(name, value)
    fields[#fields + 1] = name
    fields[#fields + 1] = value
  end
  for partition, offset in pairs(moved) do add('f:' .. partition, string.format('%.0f', offset)) end
  for place, row in pairs(rows) do add('e:' .. place, row) end
  for name, row in pairs(tiles) do add(name, type(row) == 'string' and row or cmsgpack.pack(row)) end
  if not held[1] then redis.call('ZADD', KEYS[2], period, period) end -- a hash that is there is indexed
  remember()
  redis.call('HSET', KEYS[1], unpack(fields))
  moved, rows, tiles, changed = {}, {}, {}, 0
end

if dropping then
  for _, update in ipairs(updates) do
    if not is_duplicate(update) then note_late(update) end
  end
  remember()
  return { 0, 0, 0, #updates }
end
for place, update in ipairs(updates) do
  local partition, offset = update[1], update[2]
  if offset <= fence[partition] then
    fenced = fenced + 1
  else
    fence[partition], moved[partition] = offset, offset
    if is_duplicate(update) then
      duplicates = duplicates + 1
    else
      applied = applied + 1
      note_late(update)
      keep_or_fold(partition, offset, update[4], ARGV[7 + place])
      if changed > MAX_FIELDS then write() end
    end
  end
end
if next(moved) then write() end
return { applied, fenced, duplicates, 0 }
