"""Asking for features and scores from a Python program; HTTP is a thin edge over the same client.

Lives here: `client` (features and scores), `ask` (one answer for people).
Reads: both views and the models in Redis, each request in one round trip. Writes: scores under an id of the asker's.
Does not belong here: how views are merged and rungs are tried (core: views, models).
"""

from serving_layer.client.client import Scoring, ServingClient, answer_seconds
from serving_layer.routing.questions import Asked

__all__ = ["Asked", "Scoring", "ServingClient", "answer_seconds"]
