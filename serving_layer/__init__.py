"""The serving layer: merges both views, routes to a model, scores, and answers with where the answer came from.

Lives here: `client` (what a Python program imports), `routing` (which model and which definition answer), `monitoring`
(what an operator watches), `api` (HTTP, a thin edge over the client).
Reads: views, models and scores in Redis. Writes: scores asked for over HTTP under an id of the asker's.
Does not belong here: the merging read and the ladder (core: views), anything that needs Spark or MLflow.
"""
