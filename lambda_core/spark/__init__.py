"""The Spark session: built for one machine from the environment's settings, or the one that spark-submit has made.

Lives here: `session` (build_session), `side_by_side` (several tables at the same time).
Reads: the jars that `make setup` fetched. Writes nothing.
Does not belong here: what is done with the session (cleaning, layers), where tables lie (repositories).
"""

from lambda_core.spark.session import build_session
from lambda_core.spark.side_by_side import side_by_side

__all__ = ["build_session", "side_by_side"]
