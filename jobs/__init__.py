"""Processes: parse, bootstrap, run, exit code. Nothing here decides anything.

Lives here: `batch.py` and `speed.py` for spark-submit, `merge.py`, `score.py` and `serve.py` for plain Python, and
`cli/` with one file a sub-command of `mainstem`.
Does not belong here: what a stage does (layers), how things are built (`lambda_core.bootstrap`).
"""
