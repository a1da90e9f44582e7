"""What the workers measure: outcomes, lag, freshness; as Prometheus metrics and as a line in the log now and then.

Lives here: `measures`. Reads and writes nothing but the metrics' HTTP port, on loopback, where one is set.
Does not belong here: what is done about the figures (alerts, batch monitoring).
"""

from speed_layer.monitoring.measures import Measures, serve_metrics

__all__ = ["Measures", "serve_metrics"]
