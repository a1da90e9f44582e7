"""Publishing: the batch view of everything before a horizon, loaded under its own generation and flipped to at once.

Lives here: `publish` (the flow), `horizon` (what may be covered, proven from the log's positions), `filling` (a new epoch, before it answers), `view_tables` (the jobs
of a publication), `batch_values` (loading and reading back, by executors), `retiring` (what no pointer names any more),
`revert` (back to the previous).
Reads: `prepared_<source>`, `quarantine_<source>`, `raw_<source>`, the topics' positions. Writes: `tiles_<group>`,
`publications`, batch values, the epoch mark and the pointer.
Does not belong here: what a tile is (preparation, the core), how answers are read (serving).
"""

from batch_layer.publishing.publish import PublicationReport, publish
from batch_layer.publishing.revert import RevertReport, revert

__all__ = ["PublicationReport", "RevertReport", "publish", "revert"]
