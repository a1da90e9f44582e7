"""The condition of a source's data: what each batch looks like, held against those before it, and told to people.

Lives here: `profile` (what a batch looks like, as states that merge), `measuring` (Arrow tables to profiles), `profiling` (the one
Spark pass), `keeping` (the table of profiles), `comparing`, `fields` and `judging` (differences, and which of them are findings), `report`
with `page` and `charts` (HTML and JSON), and `assess` (the flow).
Reads: cleaned records, `profile_<source>`. Writes: `profile_<source>`, and the reports below the state folder.
Does not belong here: what becomes of a record (the core's cleaning), expectations over all prepared rows (`gate`).
"""

from batch_layer.preparation.condition.assess import Condition, assess, assess_age

__all__ = ["Condition", "assess", "assess_age"]
