"""Ingestion: topics into tables, as they came; each record once, whatever crashes.

Lives here: `ingest` (source topics into raw tables, scores into the long-term score tables).
Reads: the sources' topics, topic `<project>.scores`. Writes: tables raw_<source>, scores_<model>.
Does not belong here: parsing (a broken record too is in raw), files (batch layer).
"""

from speed_layer.ingestion.ingest import start_raw_writers, start_score_writer

__all__ = ["start_raw_writers", "start_score_writer"]
