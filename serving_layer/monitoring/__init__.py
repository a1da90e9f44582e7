"""What an operator of the serving layer watches.

Lives here: `metrics` (Prometheus: answers by rung, missed rungs, latencies, the age of the view, refused models).
Reads: the client's own state. Writes nothing: whoever asks is told.
Does not belong here: whether predictions were right (batch layer: monitoring).
"""
