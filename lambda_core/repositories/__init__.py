"""Ports to the world's storage, with their adapters; each file is one port, its real adapter, and an honest fake.

Lives here: `tables` (Delta tables), `store` (Redis: views, pointers, models, scores), `log` (Kafka control).
Does not belong here: what is stored (schemas, views, models).
"""
