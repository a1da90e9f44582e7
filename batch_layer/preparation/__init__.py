"""Preparation: raw records become prepared rows, or go to quarantine with their reasons; then tiles and training rows.

Lives here: `prepare` (the flow), `progress` (how far a source is prepared, and by what), `survey` (what raw holds beyond),
`placing` (what becomes of it), `condition` (what it looks like beside earlier batches), `duplicates` (copies by their
producer), `gate` (Great Expectations over prepared rows), and what is made of prepared rows: `tiles` and `training_rows`. The
latter's way: who asks (`asking`), to which call of the kernel (`routing`, `packets`), what it answers (`windowing`, `kernel`,
`covers`, `reductions`, `ordering`), the row that comes of it (`finishing`) and its file (`training_files`).
Reads: `raw_<source>`. Writes: `prepared_<source>`, `quarantine_<source>`, `profile_<source>`, reports, and the tables of tiles
and training rows.
Does not belong here: what one record becomes (the core's cleaning, since the speed layer asks it too).
"""

from batch_layer.preparation.prepare import PreparationReport, SourceReport, prepare

__all__ = ["PreparationReport", "SourceReport", "prepare"]
