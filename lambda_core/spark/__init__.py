"""The Spark session: built for one machine from the environment's settings, or the one that spark-submit has made.

Lives here: `session` (build_session). Reads: the jars that `make setup` fetched. Writes nothing.
Does not belong here: what is done with the session (cleaning, layers), where tables lie (repositories).
"""

from lambda_core.spark.session import build_session

__all__ = ["build_session"]
