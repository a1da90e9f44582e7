"""Ports to the world's storage, with their adapters; each file is one port, its real adapter, and an honest fake.

Lives here: `tables` (Delta tables), `table_files` (files that Spark did not write, into them), `state_folder` (whose they are),
`cards` (by which it is known), `log` (Kafka control), `registry` (runs and versions in MLflow), and Redis: `store` (the
connection that all share), `cluster` (the same over shards), `marks` (what it holds in full), `pointers`, `merge_store` (updates
in), `view_store` and `batch_cache` (both views out), `model_store`, `record_store` (scores, definitions).
Does not belong here: what is stored (schemas, views, models).
"""
