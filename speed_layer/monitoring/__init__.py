"""What the speed layer measures, and how anybody can tell how it fares: lag, freshness, outcomes, a partition.

Lives here: `measures` (a worker's figures), `figures` and `reporting` (left in Redis now and then, beside the work),
`metrics` (Prometheus), `lag`, `progress`, `quarantined` and `standing` (where each reader stands, from the log and the
checkpoints), `status` and `findings` (all of it, and what stands still).
Reads: ends and oldest waiting records of topics, checkpoints' logs, positions and figures in Redis. Writes: figures.
Does not belong here: what is done about it (alerts, batch monitoring), printing (jobs).
"""

from speed_layer.monitoring.measures import Measures
from speed_layer.monitoring.reporting import reporting_queries, reporting_worker
from speed_layer.monitoring.status import Status, speed_status

__all__ = ["Measures", "Status", "reporting_queries", "reporting_worker", "speed_status"]
