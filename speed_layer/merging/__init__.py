"""Merging: updates from the log into the speed view, each applied once, whatever crashes or comes twice.

Lives here: `handling` (what becomes of a batch of updates; pure), `target` (Redis), `merge` (the worker's flow).
Reads: topic `<project>.updates`, the pointer, positions in Redis. Writes: speed hashes and positions in Redis.
Does not belong here: the merge itself (core: views/merge.lua), making updates (preparation).
"""

from speed_layer.merging.merge import run_merge

__all__ = ["run_merge"]
