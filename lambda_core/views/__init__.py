"""The two views and the read that merges them. Pure but for `store`, which alone talks to Redis.

Lives here: `keyspace` (names of Redis keys), `pointer` (what is current), `packing` (a batch value: tiles and suffix
states), `speed` (the fenced merge of updates into one period's hash, in Python), `merge.lua` and `read.lua` (the same
merge, and the atomic read, for Redis), `reading` (one entity's answer from both views).
Does not belong here: how events become updates (speed layer), how tiles are computed (batch layer).
"""
