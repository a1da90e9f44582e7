"""Batch jobs over Delta tables: from files to raw, prepared, split, trained, judged, deployed, scored, published.

Lives here: one room a stage, in the order of the data's way. Reads and writes tables, the registry and the store, all
through the context it is given.
Does not belong here: what the speed layer needs too (that is the core's), anything of one project.
"""
