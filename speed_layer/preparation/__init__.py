"""Preparation: the one streaming query, from the sources' topics to updates, requests and quarantine.

Lives here: `prepare` (the query), `outputs` (what a cleaned record becomes), `running` (all queries of one Spark
application).
Reads: the sources' topics, prepared references. Writes: topics `<project>.updates`, `.requests`, `.quarantine`.
Does not belong here: parsing and rules (core: cleaning), states (core: features), merging (merging).
"""

from speed_layer.preparation.prepare import start_query
from speed_layer.preparation.running import run_queries

__all__ = ["run_queries", "start_query"]
