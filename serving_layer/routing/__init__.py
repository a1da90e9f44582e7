"""Which definition and which model version answer: followed at an interval, swapped whole, kept while all is well.

Lives here: `current` (what answers now, and why something else does not), `questions` (what an asker gives becomes a
question under the definition that answers).
Reads: the view pointer, definitions and model pointers in Redis. Writes nothing.
Does not belong here: verifying an artefact (core: models), the rungs of the ladder (core: views).
"""
