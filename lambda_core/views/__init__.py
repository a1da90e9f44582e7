"""The two views and the read that merges them. Pure: what talks to Redis is a repository.

Lives here: `keyspace` (names of Redis keys), `pointer` (what is current), `packing` (a batch value: tiles and suffix
states), `speed` (the fenced merge of updates into one period's hash, in Python), `merge.lua`, `read.lua`, `release.lua`
(the same merge, the atomic read, and the letting go, for Redis), `script` (their calls), `reading` (one entity's answer
from both views).
Does not belong here: how events become updates (speed layer), how tiles are computed (batch layer).
"""
